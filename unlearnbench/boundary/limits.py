"""Resource usage of a running trial, measured from outside: disk, processes, memory, processor time.

The kernel limits the private memory of a single process and the size of a single file. This module checks the totals,
four times a second. `boundary.cgroup` lets the kernel enforce them.

Some values are read from /proc instead of psutil, since they are polled four times a second:

- Children of a process. psutil scans all processes of the machine: 1.3 ms with 86 processes, against 0.04 ms for the
  kernel's own list.
- Memory without file-backed pages. The PSS of psutil includes libraries and the mapped training set: 305 MiB for a
  training process, against 226 MiB without them.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable, Sequence

import psutil

from unlearnbench.boundary.isolation import DISK_BYTES

MOST_FILES = 10_000
MOST_PROCESSES = 128
MOST_THREADS = 1024
"""Maximum number of threads of all processes together."""
MOST_OPEN = 20_000
"""Maximum number of open files of all processes together: each is looked at. Of one process it is `MOST_OPEN_ALONE`."""
MOST_OPEN_ALONE = 4096
SANDBOX_PROCESSES = 2  # processes of bubblewrap itself, with the lowest PIDs

Times = dict[psutil.Process | None, tuple[float, float]]
"""Processor seconds of each process: its own, and those of the children it has waited for. psutil compares processes by
PID and start time. The key None is this process, whose own time is not counted."""


def exceeded(numbers: Sequence[int], memory_bytes: int, *folders: str) -> str | None:
    """Why a trial exceeds its limits on processes, threads, memory, files or disk space, or None.

    Memory shared by several processes counts once. So do files without a name, which no folder lists.

    Args:
        numbers: PIDs of its processes.
        memory_bytes: limit of all processes together. 0 for no limit.
        folders: the folders that it may write to.
    """
    if len(numbers) > MOST_PROCESSES:
        return f"processes: over {MOST_PROCESSES}"
    if sum(map(_threads, numbers)) > MOST_THREADS:
        return f"threads: over {MOST_THREADS}"
    try:
        opened = _opened(numbers)
        if len(opened) > MOST_OPEN:
            return f"files: over {MOST_OPEN} open"
        in_memory, on_disk = _nameless(opened)
        if memory_bytes and sum(map(_memory, numbers)) + in_memory > memory_bytes:
            return f"memory: over {memory_bytes / 2**30:g} GiB"
    except PermissionError:
        return "memory: a process hides how much it uses"
    return disk(*folders, more=on_disk)


def disk(*folders: str, more: int = 0) -> str | None:
    """Why these folders exceed the limits on files or disk space, or None. Visits at most `MOST_FILES` files.

    Skips other file systems mounted below the folders: Python itself may be installed, and so mounted, below /tmp.

    Args:
        more: bytes to add.
    """
    total, files, waiting = more, 0, list(folders)
    devices = {os.stat(folder).st_dev for folder in folders}
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except (FileNotFoundError, NotADirectoryError):  # the trial has removed it
            continue
        except OSError as error:
            return f"disk: a folder hides what it holds ({error.strerror})"
        with entries:
            for entry in entries:
                files += 1
                if files > MOST_FILES:
                    return f"disk: over {MOST_FILES} files"
                with contextlib.suppress(OSError):  # the trial has removed it
                    status = entry.stat(follow_symlinks=False)
                    if status.st_dev not in devices:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += status.st_blocks * 512
    return f"disk: over {DISK_BYTES / 2**30:g} GiB" if total > DISK_BYTES else None


def inside() -> list[int]:
    """PIDs of a trial's processes, as seen from inside its sandbox."""
    return [number for number in psutil.pids() if number > SANDBOX_PROCESSES]


def sandboxed() -> list[int]:
    """PIDs of a trial's processes and of bubblewrap, whose first process waits for orphans of the trial."""
    return [*range(1, SANDBOX_PROCESSES + 1), *inside()]


def descendants() -> list[int]:
    """PIDs of all descendants of this process, including adopted orphans."""
    found, waiting = list[int](), children(os.getpid())
    while waiting and len(found) <= MOST_PROCESSES:
        number = waiting.pop()
        found.append(number)
        waiting += children(number)
    return found


def children(process: int) -> list[int]:
    """PIDs of the children of a process, forked by any of its threads. Empty if the process has ended."""
    found = list[int]()
    with contextlib.suppress(OSError, psutil.Error):
        if not psutil.LINUX:
            return [child.pid for child in psutil.Process(process).children()]
        for thread in os.listdir(f"/proc/{process}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{process}/task/{thread}/children") as file:
                found += [int(number) for number in file.read().split()]
    return found


def times(numbers: Iterable[int], before: Times) -> Times:
    """Times of these processes, and of those of an earlier measurement that still exist. Includes zombies."""
    listed, found = set(numbers), Times()
    for number in listed | {process.pid for process in before if process}:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(number)
            if number in listed or process in before:
                spent = process.cpu_times()
                found[process] = spent.user + spent.system, spent.children_user + spent.children_system
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found | {None: (0.0, ended.ru_utime + ended.ru_stime)} if found or before else {}


def used(before: Times, now: Times) -> float:
    """Processor seconds used between two measurements.

    When a process waits for a child, the time of the child is added to that of the process. Time already measured in
    the child is counted once. If a process ignores SIGCHLD, the kernel does not record the times of its children: what
    such a child used after the last measurement is lost, and all of it if it lived between two measurements.
    """
    nothing = (0.0, 0.0)
    own = sum(time - before.get(process, nothing)[0] for process, (time, _) in now.items())
    waited = sum(time - before.get(process, nothing)[1] for process, (_, time) in now.items())
    gone = sum(sum(before[process]) for process in before.keys() - now.keys())
    return own + max(0.0, waited - gone)


def _threads(process: int) -> int:
    with contextlib.suppress(OSError, psutil.Error):
        if not psutil.LINUX:
            return int(psutil.Process(process).num_threads())
        with open(f"/proc/{process}/stat", errors="replace") as file:  # the kernel cuts names at a byte
            return int(file.read().rpartition(")")[2].split()[17])
    return 0


def _memory(process: int) -> int:
    """Memory of a process in bytes. Shared pages count fully in each process on systems other than Linux.

    Raises:
        PermissionError: the process has made itself unreadable (PR_SET_DUMPABLE).
    """
    try:
        if not psutil.LINUX:
            return int(psutil.Process(process).memory_info().rss)
        with open(f"/proc/{process}/smaps_rollup") as file:
            fields = (line.split() for line in file)
            return sum(int(field[1]) * 1024 for field in fields if field[0] in ("Pss_Anon:", "Pss_Shmem:"))
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):  # it has ended
        return 0
    except PermissionError:
        if _has_ended(process):
            return 0
        raise


def _has_ended(process: int) -> bool:
    """Whether a process has no memory any more. Until its parent has waited for it, its files in /proc are root's."""
    try:
        with open(f"/proc/{process}/statm") as file:  # anyone may read this one
            return file.read().startswith("0 ")
    except (FileNotFoundError, ProcessLookupError):
        return True


def _opened(processes: Iterable[int]) -> list[str]:
    """The open files of these processes as paths in /proc. Linux only.

    Raises:
        PermissionError: a process has made itself unreadable.
    """
    found = list[str]()
    for process in processes if psutil.LINUX else ():
        try:
            found += [f"/proc/{process}/fd/{number}" for number in os.listdir(f"/proc/{process}/fd")]
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            if not _has_ended(process):
                raise
    return found


def _nameless(opened: Iterable[str]) -> tuple[int, int]:
    """Bytes in memory, and on disk, of those of these open files that have no name any more."""
    found: dict[tuple[int, int], tuple[bool, int]] = {}
    for file in opened:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):  # it has been closed
            path = os.readlink(file)
            if path.endswith(" (deleted)"):
                status = os.stat(file)
                in_memory = path.startswith(("/memfd:", "/dev/shm/"))
                found[status.st_dev, status.st_ino] = in_memory, status.st_blocks * 512
    sizes = {kind: sum(size for where, size in found.values() if where is kind) for kind in (True, False)}
    return sizes[True], sizes[False]
