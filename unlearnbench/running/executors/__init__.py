"""Where trials run: on this machine (`local`) or as tasks of a Ray cluster (`ray`). Their results do not depend on it.

An executor decides nothing: what runs, in which order, and what is stored is up to `running.run`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.models.weights import Weights
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.suite import Suite
from unlearnbench.running.originals import OriginalRecord
from unlearnbench.running.plan import PlannedOriginal, PlannedTrial
from unlearnbench.running.setup import Setup
from unlearnbench.running.trial import Record


class Executor(Protocol):
    """What a run asks of the place where its trials run. The calls block, and come from many threads."""

    @property
    def workers(self) -> int:
        """How many calls at a time are of use."""
        ...

    @property
    def setup(self) -> Setup: ...

    @property
    def hardware(self) -> dict[str, Any]: ...

    def train(self, original: PlannedOriginal) -> tuple[Weights, float]:
        """The weights of an original, and the seconds that its training took."""
        ...

    def evaluate(self, original: PlannedOriginal, weights: Weights) -> OriginalRecord: ...

    def trial(self, trial: PlannedTrial, original: Path) -> Record:
        """The record of a trial that starts from the original in this file."""
        ...


Start = Callable[[Suite, Dataset, Isolation, int | None], AbstractContextManager[Executor]]
"""Gives the executor of one run of a suite on its data, at a level of isolation, with so many workers, or as many as
fit. On leaving, what it still runs is ended.
"""
