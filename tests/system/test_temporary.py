"""Temporary folders of the dead are removed, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from unlearnbench.system.processes import alive, identity
from unlearnbench.system.temporary import own, sweep


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def folder(temporary: Path, name: str, owner: str | None) -> Path:
    path = temporary / name
    path.mkdir()
    (path / "content").write_text("x")
    if owner is not None:
        (path / "owner").write_text(owner)
    return path


def test_only_what_a_dead_harness_of_this_machine_owned_goes(temporary: Path) -> None:
    code = "from unlearnbench.system.processes import identity; print(identity())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    goes = folder(temporary, "unlearnbench-dead", dead)
    stays = [
        folder(temporary, "unlearnbench-nobody", None),
        folder(temporary, "unlearnbench-odd", "what is this"),
        folder(temporary, "unlearnbench-empty", ""),
        folder(temporary, "unlearnbench-alive", identity()),
        folder(temporary, "unlearnbench-elsewhere", "another-machine/1 1 1"),
        folder(temporary, "another-dead", dead),
    ]
    own(mine := folder(temporary, "unlearnbench-mine", None))
    sweep()
    assert not goes.exists()
    assert all(path.exists() for path in [*stays, mine])


def test_a_process_is_alive_only_as_itself() -> None:
    assert alive(identity()) is True
    machine, pid, start = identity().split()
    assert pid == str(os.getpid())
    assert alive(f"{machine} {pid} {int(start) + 1}") is False  # its number was given to another process
    assert alive(f"{machine} {2**22 + 1} 5") is False
    for other in ("", machine, f"{machine} x 5", f"{machine} {pid}", f"another {pid} {start}"):
        assert alive(other) is None


def test_one_that_ended_and_was_not_waited_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    machine = identity().split()[0]
    start = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    assert alive(f"{machine} {child.pid} {start}") is False
    child.wait()
