"""What a trial uses is what it made, not what is mounted beside it."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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


def as_nobody(look: Callable[[], str | None]) -> str | None:
    """What `look` finds in a process of a user who is not root; root may read everything."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, json.dumps(look()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as file:
        found: str | None = json.loads(file.read())
    os.waitpid(pid, 0)
    return found


@pytest.mark.skipif(not psutil.LINUX, reason="/proc")
def test_a_process_that_has_ended_hides_nothing() -> None:
    """Nobody has waited for it yet, so its files in /proc are root's."""

    def look() -> str | None:
        ended = os.fork()
        if ended == 0:
            os._exit(0)
        os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
        return limits.exceeded([os.getpid(), ended], 2**40)

    assert as_nobody(look) is None


@pytest.mark.skipif(not psutil.LINUX, reason="/proc")
def test_a_process_that_lives_may_not_hide() -> None:
    def look() -> str | None:
        reading, writing = os.pipe()
        hidden = os.fork()
        if hidden == 0:
            ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
            os.write(writing, b"1")
            time.sleep(60)
        os.read(reading, 1)
        found = limits.exceeded([hidden], 2**40)
        os.kill(hidden, signal.SIGKILL)
        os.waitpid(hidden, 0)
        return found

    assert as_nobody(look) == "memory: a process hides how much it uses"


def test_a_folder_may_not_hide_what_it_holds(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)

    def look() -> str | None:
        (tmp_path / "dark").mkdir(0o300)
        return limits.disk(str(tmp_path))

    assert as_nobody(look) == "disk: a folder hides what it holds (Permission denied)"


def test_open_files_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.exceeded([os.getpid()], 0) is None
    monkeypatch.setattr(limits, "MOST_OPEN", 2)
    assert limits.exceeded([os.getpid()], 0) == "files: over 2 open"


def test_a_name_that_the_kernel_cut_within_a_letter_is_read() -> None:
    name = "vérification-été".encode()  # of which the kernel keeps 15 bytes
    code = f"import ctypes, time; ctypes.CDLL(None).prctl(15, {name!r}); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert limits.exceeded([process.pid], 0) is None
        process.kill()


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
