"""What a trial uses of the machine, looked at from outside while it runs: disk, processes, memory of all together.

One process's memory and one file's size are limited by the kernel; here is what takes several of them.
"""

from __future__ import annotations

import contextlib
import os

from unlearnbench.engine.isolation import DISK_BYTES

MOST_FILES = 10_000
MOST_PROCESSES = 128
SANDBOX_PROCESSES = 2  # of bubblewrap itself, the first two


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


def descendants() -> list[int]:
    """The processes below this one; those that it adopted are among them."""
    found, waiting = list[int](), children(os.getpid())
    while waiting and len(found) <= MOST_PROCESSES:
        number = waiting.pop()
        found.append(number)
        waiting += children(number)
    return found


def children(process: int) -> list[int]:
    """The children of a process; none where it is gone, or the system does not list them."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/task/{process}/children") as file:
        return [int(number) for number in file.read().split()]
    return []


def _memory(process: int) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup") as file:
        fields = (line.split() for line in file)
        return sum(int(field[1]) * 1024 for field in fields if field[0] in ("Pss_Anon:", "Pss_Shmem:"))
    return 0
