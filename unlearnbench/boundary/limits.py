"""What a trial uses of the machine, looked at from outside while it runs: disk, processes, memory, processor time.

One process's memory and one file's size are limited by the kernel; here is what takes several of them.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable

from unlearnbench.boundary.isolation import DISK_BYTES

MOST_FILES = 10_000
MOST_PROCESSES = 128
SANDBOX_PROCESSES = 2  # of bubblewrap itself, the first two

Times = dict[tuple[int, int], tuple[float, float]]
"""Of each process, by its number and when it started, the processor seconds that it used itself, and those of its
children that it waited for; (0, 0) is this process, whose own do not matter."""


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
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) > SANDBOX_PROCESSES]


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
    """The children of a process, whichever thread forked them; none where it is gone, or the system lists none."""
    found = list[int]()
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{process}/task/{thread}/children") as file:
                found += [int(number) for number in file.read().split()]
    return found


def times(numbers: Iterable[int], before: Times) -> Times:
    """The times of these processes, and of those of an earlier look that are still there; ended ones too, unless they
    were waited for.
    """
    listed, ticks, found = set(numbers), os.sysconf("SC_CLK_TCK"), Times()
    for number in listed | {number for number, _ in before if number}:
        with contextlib.suppress(OSError), open(f"/proc/{number}/stat", "rb") as file:
            fields = [int(field) for field in file.read().rpartition(b")")[2].split()[1:20]]
            key = number, fields[18]
            if number in listed or key in before:
                found[key] = sum(fields[10:12]) / ticks, sum(fields[12:14]) / ticks
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found | {(0, 0): (0.0, ended.ru_utime + ended.ru_stime)} if found or before else {}


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
    with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup") as file:
        fields = (line.split() for line in file)
        return sum(int(field[1]) * 1024 for field in fields if field[0] in ("Pss_Anon:", "Pss_Shmem:"))
    return 0
