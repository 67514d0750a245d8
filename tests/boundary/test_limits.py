"""What a trial uses is what it made, not what is mounted beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from unlearnbench.boundary import limits


def test_files_and_bytes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 100_000)
    assert limits.disk(str(tmp_path)) is None
    monkeypatch.setattr(limits, "DISK_BYTES", 50_000)
    assert str(limits.disk(str(tmp_path))).startswith("disk: over ")
    monkeypatch.setattr(limits, "MOST_FILES", 1)
    assert limits.disk(str(tmp_path)) == "disk: over 1 files"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount without a name space of its own")
def test_what_is_mounted_inside_does_not_count(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    code = (
        "import pathlib; from unlearnbench.boundary import limits; limits.MOST_FILES = 5;"
        f" [pathlib.Path({str(inner)!r}, str(n)).touch() for n in range(20)]; print(limits.disk({str(tmp_path)!r}))"
    )
    for mount, answer in ((f"mount -t tmpfs none {inner} && ", "None"), ("", "disk: over 5 files")):
        command = ["unshare", "--mount", "sh", "-c", f'{mount}exec {sys.executable} -c "$0"', code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == answer


@pytest.fixture
def family() -> Iterator[psutil.Process]:
    """A process with a child that a thread of it forked, and 64 MiB that both share."""
    code = """
import os, threading, time
content = bytearray(os.urandom(2**26))
def fork():
    if os.fork() == 0:
        print(flush=True)
    time.sleep(60)
threading.Thread(target=fork).start()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield psutil.Process(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("linux", [True, False])
def test_children_are_found_and_their_memory_is_limited(
    family: psutil.Process, linux: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what Linux tells, and by what psutil tells everywhere."""
    monkeypatch.setattr(psutil, "LINUX", linux and psutil.LINUX)
    (child,) = limits.children(family.pid)
    assert psutil.Process(child).ppid() == family.pid
    assert family.pid in limits.children(os.getpid())
    assert {family.pid, child} <= set(limits.descendants())
    assert limits.exceeded([family.pid, child], 2**30) is None
    assert limits.exceeded([family.pid, child], 2**26) == "memory: over 0.0625 GiB"
    if linux:  # a page that both have counts once
        assert limits.exceeded([family.pid, child], 2**26 + 2**25) is None
    assert limits.exceeded([family.pid] * (limits.MOST_PROCESSES + 1), 0) == "processes: over 128"
    assert limits.children(2**22 + 1) == []
