"""The wheel does the main job in an empty folder, in an environment that shares only the dependencies with this one."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import tiny_toml
from unlearnbench import __version__
from unlearnbench.system.shipped import shipped

ROOT = Path(__file__).parents[1]
BUILT_OF = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "unlearnbench",
    "suites",
    "submissions",
)
NO_NETWORK = ("--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
KEYS = """
from unlearnbench.problems.datasets import load_for
from unlearnbench.problems.suite_file import parse, suite_files
from unlearnbench.running.plan import plan
from unlearnbench.running.setup import Setup
from unlearnbench.submissions.finding import discover
from unlearnbench.system.shipped import shipped

suites = {name: parse(file) for name, file in suite_files(shipped("suites")).items()}
submissions = [item for item in discover(shipped("submissions")) if item.folder is not None]
quick = suites["digits-quick"]
setup = Setup(quick, "cpu", "float32", "process")
keys = {
    "suites": {name: repr(suite) for name, suite in suites.items()},
    "sources": {item.label: item.source_hash for item in submissions},
    "trials": [trial.key for trial in plan(setup, load_for(quick, "data"), submissions)],
}
"""
"""What identifies all that is shipped, and the trials of one suite."""
HIDDEN = """
        from pathlib import Path
        import unlearnbench
        shipped = Path(unlearnbench.__file__).parent / "_shipped"
        assert shipped.is_dir() and not any(shipped.iterdir())
"""
"""For a method: a trial at level `strict` sees nothing of what is shipped."""
FIRST_LINE = "        model = problem.original()\n"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment with the wheel, built from the source distribution."""
    folder = tmp_path_factory.mktemp("wheel")
    built = Path(os.environ.get("DIST", folder / "dist"))  # `make release` tests the files that it has built
    if "DIST" not in os.environ:
        source = folder / "source"
        source.mkdir()
        for name in BUILT_OF:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name)
        subprocess.run([sys.executable, "-c", SDIST, built], cwd=source, check=True, capture_output=True)
        (archive,) = built.glob("*.tar.gz")
        pip("wheel", *NO_NETWORK, "--wheel-dir", str(built), str(archive))
    (wheel,) = built.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    pip("--python", str(python), "install", "--no-index", "--no-deps", "--quiet", str(wheel))
    (packages,) = (folder / "venv/lib").glob("python*/site-packages")
    dependencies = Path(torch.__file__).parents[1]  # files *.pth in there, which would lead to a checkout, are not read
    (packages / "dependencies.pth").write_text(f"{dependencies}\n")
    return python.parent


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


def call(environment: Path, folder: Path, program: str, *arguments: str) -> str:
    """Call a program of the environment in a folder: its output."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(environment / program), *arguments]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def keys_here() -> Mapping[str, Any]:
    names: dict[str, Any] = {}
    exec(KEYS, names)
    found: Mapping[str, Any] = names["keys"]
    return found


def test_all_that_is_shipped_has_the_hashes_and_keys_of_the_checkout(environment: Path, empty: Path) -> None:
    printed = call(environment, empty, "python", "-c", f"{KEYS}\nimport json; print(json.dumps(keys))")
    found, here = json.loads(printed), keys_here()
    assert found == here
    assert {len(found[name]) > 20 for name in found} == {True}


def test_the_wheel_is_typed_and_holds_no_tests(environment: Path) -> None:
    (package,) = environment.parent.glob("lib/python*/site-packages/unlearnbench")
    assert (package / "py.typed").is_file()
    assert {path.name for path in package.parent.iterdir()} == {
        "unlearnbench",
        f"unlearnbench-{__version__}.dist-info",
        "dependencies.pth",
    }
    wanted = {path.relative_to(ROOT) for kind in ("suites", "submissions") for path in shipped(kind).glob("**/*.toml")}
    assert {path.relative_to(package / "_shipped") for path in (package / "_shipped").glob("**/*.toml")} == wanted


@pytest.mark.slow
def test_in_an_empty_folder_it_does_the_main_job(environment: Path, empty: Path) -> None:
    def unlearnbench(*arguments: str) -> str:
        return call(environment, empty, "unlearnbench", *arguments)

    unlearnbench("new", "mine")
    method = empty / "submissions/mine/method.py"
    method.write_text(method.read_text().replace(FIRST_LINE, HIDDEN + FIRST_LINE))
    assert HIDDEN in method.read_text()
    (empty / "suites").mkdir()
    (empty / "suites/tiny.toml").write_text(tiny_toml())
    listed = unlearnbench("suites").splitlines()
    assert [name for name in ("digits-quick", "tiny") if any(name in line for line in listed)] == [
        "digits-quick",
        "tiny",
    ]
    part = ("--seed", "0", "--rate", "0.5", "--corruption", "random-swap")
    methods = ("--method", "mine", "--method", "npo/digits", "--method", "retrain")
    assert "3 trials run" in (ran := unlearnbench("run", "digits", *part, *methods, "--isolation", "strict"))
    assert ", 0 failed" in ran
    assert "npo/digits" in unlearnbench("table", "digits", *part)
    assert "Low" in unlearnbench("show", "mine", *part)
    unlearnbench("leaderboard", "digits", "--out", "board", *part)
    assert (empty / "board/site/index.html").is_file()
    with sqlite3.connect(empty / "data/unlearnbench.db") as store:
        assert store.execute("SELECT DISTINCT revision FROM runs").fetchall() == [(__version__,)]


@pytest.mark.slow
def test_it_validates_a_method(environment: Path, empty: Path) -> None:
    call(environment, empty, "unlearnbench", "new", "yours")
    assert "yours: ok" in call(environment, empty, "unlearnbench", "validate", "submissions/yours")
