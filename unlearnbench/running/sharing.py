"""Attempt items stage by stage, and those that another harness has claimed again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Stages = Sequence[Sequence[Item]]
"""Items in stages that are not empty. No item of a stage begins before all items of the stages before it have ended."""

PAUSE = 1.0
"""Seconds between retries, and between calls of `meanwhile`."""


@dataclass
class _Line(Generic[Item]):
    """The stages that have not begun, and the number of items of the current stage that have no result yet."""

    stages: deque[Sequence[Item]]
    left: int = 0


def attempt_all(
    pool: Executor,
    lines: Iterable[Stages[Item]],
    attempt: Callable[[Item], Result | None],
    meanwhile: Callable[[int], None],
    *,
    workers: int,
) -> Iterator[tuple[Item, Result]]:
    """Yield all items with their results, in order of completion.

    Lines do not wait for each other. They begin in their order, and only as many as keep all workers busy, so that few
    are under way at a time: at most one more than there are workers, unless a harness that had claimed items ends.

    Args:
        attempt: computes the result of an item, or returns None if another harness has claimed it. Such items are
            retried, and their stage goes on until they have a result, whoever computed it.
        meanwhile: called about once a second in the caller's thread, with the number of items that the call waits for
            because others have claimed them.
        workers: number of items that the pool attempts at a time.
    """
    waiting = deque(_Line(deque(stages)) for stages in lines)
    ended: SimpleQueue[Future[Result | None]] = SimpleQueue()
    running: dict[Future[Result | None], tuple[Item, _Line[Item]]] = {}
    claimed: list[tuple[Item, _Line[Item]]] = []
    retried = time.monotonic()

    def submit(item: Item, line: _Line[Item]) -> None:
        future = pool.submit(attempt, item)
        running[future] = item, line
        future.add_done_callback(ended.put)

    def begin_stage(line: _Line[Item]) -> None:
        stage = line.stages.popleft()
        line.left = len(stage)
        for item in stage:
            submit(item, line)

    while waiting or running or claimed:
        while waiting and len(running) <= workers:  # one more than workers, so that none waits for this thread
            begin_stage(waiting.popleft())
        if claimed and time.monotonic() - retried >= PAUSE:
            retried, again, claimed = time.monotonic(), claimed, []
            for pair in again:
                submit(*pair)
        meanwhile(len(claimed))
        try:
            future = ended.get(timeout=PAUSE)
        except Empty:
            continue
        (item, line), result = running.pop(future), future.result()
        if result is None:
            claimed.append((item, line))
            continue
        yield item, result  # before the next stage begins, so that it is stored by then
        line.left -= 1
        if line.left == 0 and line.stages:
            begin_stage(line)
