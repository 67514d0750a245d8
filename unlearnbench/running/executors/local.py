"""Run trials on this machine, each in its own process behind the boundary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.isolation import refuse_invisible
from unlearnbench.models.weights import Weights
from unlearnbench.problems.case import Case
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.grid import CaseSpec
from unlearnbench.problems.suite import Suite
from unlearnbench.running import originals
from unlearnbench.running.cases import cases
from unlearnbench.running.originals import OriginalRecord
from unlearnbench.running.plan import PlannedOriginal, PlannedTrial
from unlearnbench.running.setup import Pin, Setup, unpinned
from unlearnbench.running.trial import Record, run_trial
from unlearnbench.submissions.finding import Submission, locations
from unlearnbench.system import machine
from unlearnbench.system.processes import cores
from unlearnbench.system.temporary import own, sweep


@dataclass(frozen=True)
class Local:
    workers: int
    setup: Setup
    hardware: dict[str, Any]
    boundary: Boundary
    case: Callable[[CaseSpec], Case]
    samples: dict[str, int] = field(default_factory=dict)
    """What each original has been trained on so far, by key."""

    def train(self, original: PlannedOriginal) -> tuple[Weights, float]:
        def trained(samples: int) -> None:
            self.samples[original.key] = samples

        return originals.train(original, self.case(original.case), self.setup, self.boundary, trained)

    def evaluate(self, original: PlannedOriginal, weights: Weights) -> OriginalRecord:
        return originals.evaluate(original, weights, self.case(original.case), self.setup)

    def trial(self, trial: PlannedTrial, original: Path) -> Record:
        return run_trial(trial, self.case(trial.problem.case), original, self.setup, self.boundary)

    def trained(self) -> int:
        return sum(list(self.samples.values()))  # a copy: other threads add to it

    def waiting(self) -> None:
        return None


@contextmanager
def local(
    suite: Suite,
    submissions: Sequence[Submission],
    dataset: Dataset,
    boundary: Boundary,
    workers: int | None,
    pin: Pin = unpinned,
) -> Iterator[Local]:
    """The local executor. The default for `workers` is the number of cores divided by the threads of a trial.

    Raises:
        UsageError: on entry, if this machine does not support the boundary, or trials would not see a package that a
            submission requires.
    """
    with shared_boundary() as start, start(suite, submissions, dataset, boundary, workers, pin) as executor:
        yield executor


StartLocal = Callable[[Suite, Sequence[Submission], Dataset, Boundary, int | None, Pin], AbstractContextManager[Local]]


@contextmanager
def shared_boundary() -> Iterator[StartLocal]:
    """Give `local` for several runs with the boundary of the first, whose server starts once, which takes seconds.

    The runs must ask for equal boundaries.
    """
    machine.keep_memory()  # models are evaluated in this process
    with ExitStack() as stack:
        entered: list[Boundary] = []

        @contextmanager
        def start(
            suite: Suite,
            submissions: Sequence[Submission],
            dataset: Dataset,
            boundary: Boundary,
            workers: int | None,
            pin: Pin,
        ) -> Iterator[Local]:
            if boundary.level == "strict":
                refuse_invisible(locations(submissions))
            device = machine.device()
            suite = pin(suite, device)
            setup = Setup(suite, device, machine.precision(suite.precision, device), boundary.level)
            if not entered:
                sweep()
                entered.append(stack.enter_context(boundary))
                own(boundary.folder)
            (shared,) = entered
            at_once = max(1, cores() // suite.threads) if workers is None else workers
            try:
                yield Local(
                    at_once, setup, machine.hardware(device), shared, cases(dataset, shared.folder, at_once + 1)
                )
            except BaseException:
                stack.close()  # what still runs must end before the run releases its claims
                raise

        yield start
