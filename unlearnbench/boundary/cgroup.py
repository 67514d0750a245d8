"""Limits on memory and processes that the kernel enforces, in a control group for each trial (cgroup v2).

This needs a group that was delegated to the user of the harness:

    delegated group ─┬─ unlearnbench         the harness, moved here because only groups without processes have limits
                     ├─ trial-1a2b...        one trial: memory.max, memory.swap.max, memory.oom.group, pids.max
                     └─ trial-3c4d...

Where there is none, `boundary.limits` counts, four times a second, what can be counted.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unlearnbench.errors import UsageError

Enforcement = Literal["counted", "enforced"]
"""How the limits on memory and processes are held: counted from outside, or also enforced by the kernel."""

HARNESS = "unlearnbench"
CONTROLLERS = ("memory", "pids")
REMOVAL_SECONDS = 5.0
DELEGATE = (
    "start it with `systemd-run --user --scope --property=Delegate=yes unlearnbench ...`, or in a container with a"
    " writable cgroup v2"
)


def find() -> Path | None:
    """The delegated group of this process, or None if there is none. Raises nothing else, see `require`."""
    try:
        return require()
    except UsageError:
        return None


def require(proc: Path = Path("/proc/self")) -> Path:
    """The delegated group of this process, in which groups for trials can be created.

    Args:
        proc: where the kernel describes this process. Tests give another folder.

    Raises:
        UsageError: there is no such group. The message says why, and how to get one.
    """
    try:
        return _delegated(proc)
    except OSError as error:
        reason = str(error) if error.errno is None else f"{error.strerror} ({error.filename})"
        raise UsageError(f"limits cannot be enforced here: {reason}; {DELEGATE}") from error


def _delegated(proc: Path) -> Path:
    own = _own_group(proc)
    group = own.parent if own.name == HARNESS else own
    available = (group / "cgroup.controllers").read_text().split()
    missing = [name for name in CONTROLLERS if name not in available]
    if missing:
        raise OSError(f"{group} has no controller {' and '.join(missing)}")
    here = (group / "cgroup.procs").read_text().split()
    others = [number for number in here if number != str(os.getpid())]
    if others:
        raise OSError(f"{len(others)} other processes are in the group {group}")
    if here:
        (group / HARNESS).mkdir(exist_ok=True)
        (group / HARNESS / "cgroup.procs").write_text(str(os.getpid()))
    (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in CONTROLLERS))
    remove(create(group, memory_bytes=2**30, threads=1))
    return group


def _own_group(proc: Path) -> Path:
    """The group of this process in the file system of cgroup v2."""
    mounts = [line.partition(" - ") for line in (proc / "mountinfo").read_text().splitlines()]
    mounted = [Path(before.split()[4]) for before, _, after in mounts if after.startswith("cgroup2 ")]
    groups = [line for line in (proc / "cgroup").read_text().splitlines() if line.startswith("0::/")]
    if not mounted or not groups:
        raise OSError("cgroup v2 is not mounted")
    return mounted[0] / groups[0].removeprefix("0::/")


def create(parent: Path, *, memory_bytes: int, threads: int) -> Path:
    """Create a group for a trial. If its processes use more memory, the kernel kills all of them.

    Args:
        memory_bytes: limit of anonymous memory, shared memory and files in memory. 0 for no limit.
        threads: limit of threads, with those of all processes.
    """
    group = parent / f"trial-{uuid.uuid4().hex}"
    group.mkdir()
    (group / "memory.max").write_text(str(memory_bytes) if memory_bytes else "max")
    (group / "memory.oom.group").write_text("1")
    (group / "pids.max").write_text(str(threads))
    with suppress(FileNotFoundError):  # a kernel without swap
        (group / "memory.swap.max").write_text("0")
    return group


def remove(group: Path) -> None:
    """Remove the group of a trial. Its processes have been killed, but may take a moment to end."""
    deadline = time.monotonic() + REMOVAL_SECONDS
    while True:
        try:
            group.rmdir()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@dataclass(frozen=True)
class Group:
    """Open files of the group of one trial, which are used from inside its sandbox, where the group is out of sight."""

    processes: int
    events: int
    processor: int

    @classmethod
    def open(cls, path: str) -> Group:
        files = {"cgroup.procs": os.O_WRONLY, "memory.events": os.O_RDONLY, "cpu.stat": os.O_RDONLY}
        return cls(*(os.open(f"{path}/{name}", flags) for name, flags in files.items()))

    def enter(self) -> None:
        """Move this process into the group."""
        os.write(self.processes, b"0")

    def out_of_memory(self) -> bool:
        """Whether the kernel killed the trial for its memory."""
        return _field(self.events, "oom_kill") > 0

    def processor_seconds(self) -> float:
        """Processor time of all processes that were ever in the group."""
        return _field(self.processor, "usage_usec") / 1e6


def _field(file: int, name: str) -> int:
    lines = os.pread(file, 2**16, 0).decode().splitlines()
    return next(int(value) for key, value in (line.split() for line in lines) if key == name)
