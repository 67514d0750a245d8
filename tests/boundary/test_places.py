"""Where trials find packages and put files on machines of others: PYTHONPATH, the user's packages, a long TMPDIR."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unlearnbench.boundary import isolation
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission
from unlearnbench.system import temporary
from unlearnbench.system.temporary import LONGEST, shortened, sweep

LOADS = """import multiprocessing, ours
from torch.utils.data import DataLoader
assert multiprocessing.get_start_method(allow_none=True) == "fork"
loader = problem.retain.loader(num_workers=1)
for images, labels in [*loader, *DataLoader(loader.dataset, 64, num_workers=1)]:
    assert len(images) == len(labels) > 0
return problem.original()"""


@pytest.fixture
def module(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of PYTHONPATH with one installed package, as a cluster's `module load` sets it."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "ours.py").touch()
    (folder / "ours-1.0.dist-info").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def long_tmpdir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A TMPDIR of which not even the socket of the server would have a name."""
    folder = tmp_path_factory.mktemp("scratch") / ("job-" + 80 * "x")
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # others make links in /tmp at the same time
        monkeypatch.setattr(temporary, "SHORT", (short,))
        yield folder


@pytest.mark.parametrize("level", isolation.LEVELS)
def test_a_trial_runs_with_modules_of_a_cluster_and_a_long_tmpdir(
    level: Isolation,
    module: Path,
    long_tmpdir: Path,
    tiny_suite: Suite,
    make_submission: Callable[..., Submission],
    store: Store,
    tmp_path: Path,
) -> None:
    run = run_suite(tiny_suite, [make_submission("loads", LOADS)], store, tmp_path, isolation=level)
    assert [failure.reason for failure in run.failures] == []
    assert list(long_tmpdir.iterdir()) == []
    assert list(Path(temporary.SHORT[0]).iterdir()) == []


def test_only_installed_packages_of_pythonpath_are_shown_at_strict(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{module}:{tmp_path}:")
    assert isolation.python_path("process") == [module, tmp_path]
    assert isolation.python_path("strict") == [module]
    assert module in isolation.visible()
    assert tmp_path not in isolation.visible()


def test_the_packages_of_the_user_are_found() -> None:
    """`pip install --user` puts them under the home folder, and a trial has another one."""
    code = """
import json, site, sys
from pathlib import Path
from unlearnbench.boundary import servers
site.ENABLE_USER_SITE = True
given = {}
class Process:
    def __init__(self, command, env, **options):
        given.update(env)
        raise KeyboardInterrupt
servers.subprocess.Popen = Process
try:
    servers.Server("process", Path(sys.argv[1])).start()
except KeyboardInterrupt:
    print(given["PYTHONUSERBASE"])
"""
    environment = {**os.environ, "PYTHONUSERBASE": "/elsewhere/packages"}
    command = [sys.executable, "-c", code, tempfile.gettempdir()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "/elsewhere/packages\n"


def test_only_a_long_path_gets_a_link_and_a_dead_link_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = tmp_path / "short"
    short.mkdir()
    monkeypatch.setattr(temporary, "SHORT", (str(tmp_path / "missing"), str(short)))
    fits = tmp_path / ("y" * max(1, LONGEST - len(str(tmp_path)) - 1))
    if len(str(fits)) == LONGEST:
        assert shortened(fits) == fits
    folder = tmp_path / ("x" * LONGEST)
    folder.mkdir()
    link = shortened(folder)
    assert (link.parent, link.resolve()) == (short, folder)
    sweep()
    assert link.is_symlink()
    folder.rmdir()
    sweep()
    assert not link.is_symlink()
    monkeypatch.setattr(temporary, "SHORT", ())
    with pytest.raises(UsageError, match=r"is too long for sockets, and none of .* set TMPDIR to"):
        shortened(folder)
