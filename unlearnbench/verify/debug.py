"""Run one trial in this process, where a debugger reaches it. Stores nothing."""

from __future__ import annotations

import pdb
import time
import traceback
from bdb import BdbQuit
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.child import count_samples, prepare, reason_of, unlearned
from unlearnbench.boundary.request import Order
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.evaluation.metrics import Metrics
from unlearnbench.models import build
from unlearnbench.models.weights import find_fault
from unlearnbench.problems import datasets
from unlearnbench.problems.suite import Suite
from unlearnbench.running.evaluating import evaluated, predictions
from unlearnbench.running.executors.local import local
from unlearnbench.running.originals import obtain, path_of
from unlearnbench.running.plan import plan
from unlearnbench.running.trial import request_of
from unlearnbench.submissions.finding import Submission
from unlearnbench.submissions.requirements import applying, fits


@dataclass(frozen=True)
class Debugged:
    """How a trial in this process ended. Exactly one of `metrics` and `reason` is None.

    Attributes:
        reason: why it failed, as a run would record it.
        error: what the submission raised, if anything. Its traceback begins in the code of the submission.
        seconds: wall-clock time of importing the submission and of `unlearn`.
    """

    metrics: Metrics | None
    reason: str | None
    error: BaseException | None
    seconds: float
    forward_samples: int
    backward_samples: int


def debug(suite: Suite, grid: Suite, submission: Submission, data: Path, *, download: bool = True) -> Debugged:
    """Run the first trial of a submission on `grid`, a part of the suite, without limits and isolation.

    The code is imported from the submission's own folder. Seeds, precision and evaluation are those of a trial. The
    original is taken from the cache, or trained and cached.

    Raises:
        UsageError: the suite does not fit its data, or a package that the submission requires is not installed: this
            process is of no other environment than the harness's.
        HarnessError: another harness is training the original.
        KeyboardInterrupt: the debugger was quit.
    """
    if not fits(submission.requires):
        wanted = ", ".join(map(str, applying(submission.requires)))
        raise UsageError(
            f"submission '{submission.name}' requires {wanted}, which is not installed here, and `debug` runs in this"
            " process: install it, or use `validate` or `run` with --environments"
        )
    dataset, cache = datasets.load_for(suite, data, download=download), (data / "originals").resolve()
    with local(suite, [submission], dataset, Boundary(), 1) as executor:
        setup = executor.setup
        trial = plan(setup, dataset, [submission], grid)[0]
        if obtain(trial.original, cache, executor) is None:
            raise HarnessError(f"another harness is training {trial.original.label}: try again when it is done")
        case = executor.case(trial.problem.case)
        request = request_of(trial, case, path_of(cache, trial.original.key), setup)
        folder = None if submission.folder is None else str(submission.folder)
        request = replace(request, folder=folder, memory_bytes=0)
        problem, counts = prepare(request), {"forward": 0, "backward": 0}
        weights, reason, error = None, None, None
        counting, begin = count_samples(counts), time.perf_counter()
        try:
            weights = unlearned(request, problem)
        except BaseException as raised:  # as in a trial, where SystemExit is a failure too
            if _quit(raised):
                raise KeyboardInterrupt from None
            reason = reason_of(raised, Order(request, private=""))
            error = raised.with_traceback(_own(raised.__traceback__, folder))
        finally:
            counting.remove()
        seconds, metrics = time.perf_counter() - begin, None
        if weights is not None:
            fault = find_fault(weights, build(request.model).state_dict())
            reason = None if fault is None else f"invalid weights: {fault}"
        if weights is not None and reason is None:
            found = predictions(weights, case, trial.original.kind, setup)
            metrics = evaluated(found, case, trial.problem.found(case.truth), setup)
    return Debugged(metrics, reason, error, seconds, counts["forward"], counts["backward"])


def _quit(error: BaseException) -> bool:
    """Whether the debugger was quit. Since Python 3.14 it exits then, but not with an exception of its own."""
    *_, (last, _) = traceback.walk_tb(error.__traceback__)
    exits = isinstance(error, SystemExit) and last.f_code.co_filename == pdb.__file__
    return exits or isinstance(error, KeyboardInterrupt | BdbQuit)


def _own(trace: TracebackType | None, folder: str | None) -> TracebackType | None:
    """The part of a traceback that begins in this folder, or all of it if there is none."""
    found = trace
    while found is not None and folder is not None:
        if Path(found.tb_frame.f_code.co_filename).is_relative_to(folder):
            return found
        found = found.tb_next
    return trace
