"""An environment in which the package of `plugin.py` is installed, for this process and for those of trials."""

from __future__ import annotations

import shutil
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from unlearnbench.problems import registry

ENTRY_POINTS = """[unlearnbench.corruptions]
blend = plugin:Blend
[unlearnbench.datasets]
stripes = plugin:stripes
[unlearnbench.architectures]
plain = plugin:Plain
"""


def install(site: Path, entry_points: str = ENTRY_POINTS) -> None:
    """Install the package into this folder of packages."""
    shutil.copy(Path(__file__).with_name("plugin.py"), site)
    information = site / "plugin-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entry_points)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A virtual environment with the package and all that this one has; its folder of packages."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "others.pth").write_text("\n".join(path for path in sys.path if path))
    install(site)
    registry._installed.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setattr(sys, "executable", str(environment / "bin" / "python"))
        yield site
    registry._installed.cache_clear()
