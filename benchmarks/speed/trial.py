"""One trial by its parts: a fine-tuning of the digits suite that prints the clock, as a run of one worker runs it."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.problem import make_problem
from unlearnbench.boundary.request import Request
from unlearnbench.problems.suite_file import find, parse
from unlearnbench.running import trial
from unlearnbench.running.run import run_suite
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import read

PROBE = Path(__file__).parent / "probe"


@dataclass(frozen=True)
class Call:
    begin: float
    end: float
    result: Any


def parts() -> dict[str, tuple[float, float]]:
    """Least and median seconds of each part, over the ten discovery rates of one corruption."""
    suite = replace(parse(find("digits", Path("suites"))), corruptions=("random-swap",))
    loads: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/results.db") as store, ExitStack() as stack:
        runs = _recorded(stack, Boundary, "run", lambda boundary, request, reference: loads.append(_load(request)))
        evaluations = _recorded(stack, trial, "predictions")
        additions = _recorded(stack, Store, "add")
        run_suite(suite, read(PROBE), store, Path(folder), workers=1)
    calls = zip(runs, loads, evaluations, additions[1:], strict=True)  # what is added first is the plan
    measured = [_parts(*of_one) for of_one in list(calls)[1:]]  # the first is the original
    columns = {name: [part[name] for part in measured] for name in measured[0]}
    return {name: (min(values), statistics.median(values)) for name, values in columns.items()}


def _parts(run: Call, load: float, evaluation: Call, addition: Call) -> dict[str, float]:
    imported, first, last = map(float, re.findall(r"[\d.]+", run.result.detail))
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
    make_problem(request)
    return time.monotonic() - begin


def _recorded(
    stack: ExitStack, owner: object, name: str, after: Callable[..., object] = lambda *arguments: None
) -> list[Call]:
    """Every call of this method from now on, until the stack is left; `after` is given the arguments of each."""
    calls: list[Call] = []
    method: Callable[..., Any] = getattr(owner, name)

    def record(*arguments: Any, **named: Any) -> Any:
        begin = time.monotonic()
        result = method(*arguments, **named)
        calls.append(Call(begin, time.monotonic(), result))
        after(*arguments)
        return result

    stack.enter_context(patch.object(owner, name, record))
    return calls
