"""One trial by its parts: a fine-tuning of the digits suite that prints the clock, as a run of one worker runs it."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from unlearnbench.engine import child
from unlearnbench.engine.boundary import Boundary, Request
from unlearnbench.engine.run import run_suite
from unlearnbench.engine.submissions import read
from unlearnbench.engine.world import World
from unlearnbench.problem.suite import find, parse
from unlearnbench.store.store import Store

PROBE = Path(__file__).parent / "probe"


@dataclass(frozen=True)
class Call:
    begin: float
    end: float
    arguments: tuple[Any, ...]
    result: Any


def parts() -> dict[str, tuple[float, float]]:
    """Least and median seconds of each part, over the ten discovery rates of one corruption."""
    suite = replace(parse(find("digits", Path("suites"))), corruptions=("random-swap",))
    with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/results.db") as store, ExitStack() as stack:
        runs = _recorded(stack, Boundary, "run")
        evaluations = _recorded(stack, World, "predictions")
        additions = _recorded(stack, Store, "add")
        run_suite(suite, read(PROBE), store, Path(folder), workers=1)
        trials = [call for call in runs if call.arguments[1].original is not None]  # not the original's own training
        parts = [_parts(*calls) for calls in zip(trials, evaluations[-len(trials) :], additions[-len(trials) :], strict=True)]
    return {name: (min(values), statistics.median(values)) for name in parts[0] if (values := [part[name] for part in parts])}


def _parts(run: Call, evaluation: Call, addition: Call) -> dict[str, float]:
    imported, first, last = map(float, re.findall(r"[\d.]+", run.result.detail))
    load = _load(run.arguments[1])
    return {
        "start of its process: folder, two forks": imported - run.begin - load,
        "load the problem": load,
        "import of the submission to the first line of `unlearn`": first - imported,
        "`unlearn`": last - first,
        "return of the weights, end of its process": run.end - last,
        "evaluate": evaluation.end - evaluation.begin,
        "store": addition.end - addition.begin,
    }


def _load(request: Request) -> float:
    """Seconds that a trial takes to make its problem of the request; measured in this process."""
    begin = time.monotonic()
    child._problem(asdict(request))
    return time.monotonic() - begin


def _recorded(stack: ExitStack, owner: type, name: str) -> list[Call]:
    """Every call of this method from now on, until the stack is left."""
    calls: list[Call] = []
    method: Callable[..., Any] = getattr(owner, name)

    def record(*arguments: Any, **named: Any) -> Any:
        begin = time.monotonic()
        result = method(*arguments, **named)
        calls.append(Call(begin, time.monotonic(), arguments, result))
        return result

    stack.enter_context(patch.object(owner, name, record))
    return calls
