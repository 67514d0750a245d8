"""Process identities that are unique across machines, to find what a killed process left behind, and CPU cores."""

from __future__ import annotations

import os
import uuid
from functools import cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def _machine() -> str:
    """Identifies the current boot of this machine and the PID namespace. Random if the system has no boot id."""
    if not _BOOT.exists():
        return uuid.uuid4().hex
    return f"{_BOOT.read_text().strip()}/{os.stat('/proc/self/ns/pid').st_ino}"


def _start(pid: int) -> str | None:
    """Start time of a process in ticks since boot, or None if it has ended.

    psutil's `create_time` changes when the system clock is set, so a running process would seem to have ended.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def identity() -> str:
    """One line that identifies this process uniquely across machines."""
    return f"{_machine()} {os.getpid()} {_start(os.getpid())}"


def alive(owner: str) -> bool | None:
    """Whether the process with this identity is running. None if unknown, because it is on another machine."""
    machine, _, process = owner.partition(" ")
    pid, _, start = process.partition(" ")
    if machine != _machine() or not pid.isdigit() or not start:
        return None
    return _start(int(pid)) == start


def cores() -> int:
    """Number of CPU cores that this process may use, by its affinity and the quota of its container."""
    from joblib import cpu_count  # takes a tenth of a second

    count: int = cpu_count()
    return count
