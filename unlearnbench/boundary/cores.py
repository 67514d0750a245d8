"""Processor cores for trials. Each trial is pinned to its own, so that none computes on more than others get."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def reserve(count: int) -> Iterator[list[int]]:
    """Reserve cores that no other trial on this machine has, also of another harness. Yields their numbers.

    Yields none, which leaves all cores to the trial, if too few are free (there are more workers than cores), and on
    systems other than Linux.
    """
    with ExitStack() as held:
        free = list[int]()
        for core in sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else ():
            if len(free) < count:
                # An abstract socket address: the kernel frees it when this process ends, however it ends.
                name = held.enter_context(socket.socket(socket.AF_UNIX))
                try:
                    name.bind(f"\0unlearnbench/core/{core}")
                except OSError:  # reserved by another trial
                    continue
                free.append(core)
        yield free if len(free) == count else []
