"""Executors, which run trials on this machine (`local`) or on a Ray cluster (`ray`) with the same results.

An executor only executes. `running.run` decides what runs, in which order, and what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.models.weights import Weights
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.suite import Suite
from unlearnbench.running.originals import OriginalRecord
from unlearnbench.running.plan import PlannedOriginal, PlannedTrial
from unlearnbench.running.setup import Pin, Setup
from unlearnbench.running.trial import Record
from unlearnbench.submissions.finding import Submission


class Executor(Protocol):
    """Interface of executors. Calls block and may come from several threads."""

    @property
    def workers(self) -> int:
        """Maximum number of useful concurrent calls."""
        ...

    @property
    def setup(self) -> Setup: ...

    @property
    def hardware(self) -> dict[str, Any]: ...

    def train(self, original: PlannedOriginal) -> tuple[Weights, float]:
        """Train an original. Returns its weights and the training time in seconds."""
        ...

    def evaluate(self, original: PlannedOriginal, weights: Weights) -> OriginalRecord: ...

    def trial(self, trial: PlannedTrial, original: Path) -> Record:
        """Run a trial, starting from the original in the given file."""
        ...

    def trained(self) -> int:
        """The number of samples that originals have been trained on in this run so far; 0 where nobody knows."""
        ...

    def waiting(self) -> str | None:
        """What all calls wait for, such as a node of a cluster. Called about once a second while calls run.

        Raises:
            HarnessError: they would wait for ever.
        """
        ...


Start = Callable[[Suite, Sequence[Submission], Dataset, Boundary, int | None, Pin], AbstractContextManager[Executor]]
"""Creates the executor of a run from its suite, submissions, data set, boundary, number of workers and pin. It checks
that trials find what the submissions require where they will run. The boundary has not been entered, so that it may be
entered elsewhere. None uses as many workers as fit. Leaving the context kills everything that still runs.
"""
