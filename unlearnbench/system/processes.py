"""Which process of which machine, so that what outlives a killed harness is known; and the cores of this one."""

from __future__ import annotations

import os
import uuid
from functools import cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def _machine() -> str:
    """This boot of this machine and this space of process numbers; unique where the system does not say."""
    if not _BOOT.exists():
        return uuid.uuid4().hex
    return f"{_BOOT.read_text().strip()}/{os.stat('/proc/self/ns/pid').st_ino}"


def _start(pid: int) -> str | None:
    """When the process started, in ticks since boot, no clock that anybody sets; None if it is no more.

    psutil's `create_time` is moved when the clock is set, and would take a process that runs for one that ended.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def identity() -> str:
    """This process, in one line that is true of no other process on any machine."""
    return f"{_machine()} {os.getpid()} {_start(os.getpid())}"


def alive(owner: str) -> bool | None:
    """Whether the process with this identity runs; None where that cannot be known from here (another machine)."""
    machine, _, process = owner.partition(" ")
    pid, _, start = process.partition(" ")
    if machine != _machine() or not pid.isdigit() or not start:
        return None
    return _start(int(pid)) == start


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
