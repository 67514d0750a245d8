"""Temporary folders of the dead are removed, and no others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

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


def test_only_what_a_dead_harness_of_this_machine_owned_goes(temporary: Path, dead: str) -> None:
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


@pytest.fixture
def dead() -> str:
    """The identity of a process that has ended."""
    code = "from unlearnbench.system.processes import identity; print(identity())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def at_once() -> Iterator[None]:
    """Fail instead of hanging."""

    def fail(number: int, frame: FrameType | None) -> None:
        pytest.fail("the sweep hangs")  # no OSError, which the sweep takes for a folder of others

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(10)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_pipe_a_socket_or_a_folder_as_note_is_none(temporary: Path) -> None:
    odd = [folder(temporary, f"unlearnbench-{name}", None) for name in ("pipe", "socket", "folder")]
    os.mkfifo(odd[0] / "owner")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(odd[1] / "owner"))
    (odd[2] / "owner").mkdir()
    with at_once():
        sweep()
    listener.close()
    assert all(path.exists() for path in odd)


def test_no_link_is_followed(temporary: Path, dead: str) -> None:
    """Neither one that passes for a folder, nor one that passes for a note, nor one inside of what is removed."""
    outside = folder(temporary, "outside", dead)
    (temporary / "unlearnbench-link").symlink_to(outside)
    noted = folder(temporary, "unlearnbench-noted", None)
    (noted / "owner").symlink_to(outside / "owner")
    goes = folder(temporary, "unlearnbench-goes", dead)
    (goes / "link").symlink_to(outside)
    sweep()
    assert not goes.exists()
    assert (temporary / "unlearnbench-link").is_symlink()
    assert noted.exists()
    assert (outside / "content").read_text() == "x"


def test_a_huge_note_is_not_read(temporary: Path, dead: str) -> None:
    large = folder(temporary, "unlearnbench-large", None)
    with (large / "owner").open("w") as note:
        note.write(dead)
        note.truncate(2**40)  # without a block on the disk
    with at_once():
        sweep()
    assert large.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_what_belongs_to_another_user_stays(temporary: Path, dead: str) -> None:
    theirs, noted = (folder(temporary, f"unlearnbench-{name}", dead) for name in ("theirs", "noted"))
    os.chown(theirs, 1234, 1234)
    os.chown(noted / "owner", 1234, 1234)
    goes = folder(temporary, "unlearnbench-goes", dead)
    sweep()
    assert (theirs / "content").exists()
    assert (noted / "content").exists()
    assert not goes.exists()


def test_only_a_new_folder_is_marked(temporary: Path) -> None:
    """Nothing is written through a link that somebody else has put there."""
    taken, target = folder(temporary, "unlearnbench-taken", None), temporary / "target"
    (taken / "owner").symlink_to(target)
    with pytest.raises(FileExistsError):
        own(taken)
    assert not target.exists()


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
