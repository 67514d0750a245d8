"""Sharing of work between harnesses: retry items that another harness has claimed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PAUSE = 1.0
"""Seconds between retries, and between calls of `meanwhile`."""


def attempt_all(
    pool: Executor, items: Sequence[Item], attempt: Callable[[Item], Result | None], meanwhile: Callable[[], None]
) -> Iterator[tuple[Item, Result]]:
    """Yield all items with their results, in order of completion.

    Args:
        attempt: computes the result of an item, or returns None if another harness has claimed it. Such items are
            retried.
        meanwhile: called about once a second in the caller's thread.
    """
    waiting = list(items)
    while waiting:
        ended: SimpleQueue[Future[Result | None]] = SimpleQueue()
        running = {}
        for item in waiting:
            future = pool.submit(attempt, item)
            running[future] = item
            future.add_done_callback(ended.put)
        waiting = []
        while running:
            meanwhile()
            try:
                future = ended.get(timeout=PAUSE)
            except Empty:
                continue
            item, result = running.pop(future), future.result()
            if result is None:
                waiting.append(item)
            else:
                yield item, result
        if waiting:
            time.sleep(PAUSE)
