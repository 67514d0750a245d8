"""What a trial uses of the machine, looked at from outside while it runs: disk, processes, memory, processor time.

One process's memory and one file's size are limited by the kernel; here is what takes several of them.

psutil reads it, but for two things that Linux tells better, and that are asked for four times a second: the children of
a process (psutil reads every process of the machine: 1.3 ms with 86 of them, 0.04 ms from the list that the kernel
keeps), and memory without the pages of files (psutil's PSS counts the libraries and the mapped training set: 305 MiB of
a process that trains, 226 MiB without).
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable

import psutil

from unlearnbench.boundary.isolation import DISK_BYTES

MOST_FILES = 10_000
MOST_PROCESSES = 128
SANDBOX_PROCESSES = 2  # of bubblewrap itself, the first two

Times = dict[psutil.Process | None, tuple[float, float]]
"""Of each process (equal only if its number and its start are) the processor seconds that it used itself, and those of
its children that it waited for; None is this process, whose own do not matter."""


def disk(*folders: str) -> str | None:
    """Why what lies in these folders is too much, or None; looks at no more than `MOST_FILES`.

    What is mounted below them is not the trial's: Python itself may be installed below the /tmp that hides yours.
    """
    total, files, waiting = 0, 0, list(folders)
    devices = {os.stat(folder).st_dev for folder in folders}
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:  # the trial changes it meanwhile
            for entry in entries:
                files += 1
                if files > MOST_FILES:
                    return f"disk: over {MOST_FILES} files"
                status = entry.stat(follow_symlinks=False)
                if status.st_dev not in devices:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    total += status.st_blocks * 512
    return f"disk: over {DISK_BYTES / 2**30:g} GiB" if total > DISK_BYTES else None


def processes(numbers: list[int], memory_bytes: int) -> str | None:
    """Why these processes are too many, or take too much memory (0: no limit), or None.

    A page that several of them share counts once. One process alone has the kernel's limit, and is not looked at.
    """
    if len(numbers) > MOST_PROCESSES:
        return f"processes: over {MOST_PROCESSES}"
    if memory_bytes and len(numbers) > 1 and sum(map(_memory, numbers)) > memory_bytes:
        return f"memory: over {memory_bytes / 2**30:g} GiB"
    return None


def inside() -> list[int]:
    """The trial's processes, seen from within its sandbox."""
    return [number for number in psutil.pids() if number > SANDBOX_PROCESSES]


def sandboxed() -> list[int]:
    """The trial's processes and those of bubblewrap, the first of which waits for the trial's orphans."""
    return [*range(1, SANDBOX_PROCESSES + 1), *inside()]


def descendants() -> list[int]:
    """The processes below this one; those that it adopted are among them."""
    found, waiting = list[int](), children(os.getpid())
    while waiting and len(found) <= MOST_PROCESSES:
        number = waiting.pop()
        found.append(number)
        waiting += children(number)
    return found


def children(process: int) -> list[int]:
    """The children of a process, whichever thread forked them; none where it is gone."""
    found = list[int]()
    with contextlib.suppress(OSError, psutil.Error):
        if not psutil.LINUX:
            return [child.pid for child in psutil.Process(process).children()]
        for thread in os.listdir(f"/proc/{process}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{process}/task/{thread}/children") as file:
                found += [int(number) for number in file.read().split()]
    return found


def times(numbers: Iterable[int], before: Times) -> Times:
    """The times of these processes, and of those of an earlier look that are still there; ended ones too, unless they
    were waited for.
    """
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
    """The processor seconds that were used between two looks.

    Whoever waits for a child takes on the child's time; of that, what was seen in the child counts only once. A child
    of a process that ignores SIGCHLD vanishes without leaving its time to anybody: what was seen of it counts, and what
    it used after the last look is lost. So is all of a child that lived between two looks.
    """
    nothing = (0.0, 0.0)
    own = sum(time - before.get(process, nothing)[0] for process, (time, _) in now.items())
    waited = sum(time - before.get(process, nothing)[1] for process, (_, time) in now.items())
    gone = sum(sum(before[process]) for process in before.keys() - now.keys())
    return own + max(0.0, waited - gone)


def _memory(process: int) -> int:
    """Bytes; where the system is not Linux, a shared page counts in each process."""
    with contextlib.suppress(OSError, psutil.Error):
        if not psutil.LINUX:
            return int(psutil.Process(process).memory_info().rss)
        with open(f"/proc/{process}/smaps_rollup") as file:
            fields = (line.split() for line in file)
            return sum(int(field[1]) * 1024 for field in fields if field[0] in ("Pss_Anon:", "Pss_Shmem:"))
    return 0
