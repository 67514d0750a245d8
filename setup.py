"""Put suites and submissions, which are folders of their own in the repository, inside the installed package.

Everything else about the build stands in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("suites", "submissions")
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "*.pyc")


class Build(build_py):
    """Copies both folders to unlearnbench/_shipped, where `unlearnbench.system.shipped` looks for them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # a checkout has them beside the package
            for name in SHIPPED:
                target = Path(self.build_lib, "unlearnbench", "_shipped", name)
                shutil.rmtree(target, ignore_errors=True)  # an earlier build may hold what is gone now
                shutil.copytree(name, target, ignore=IGNORED)


setup(cmdclass={"build_py": Build})
