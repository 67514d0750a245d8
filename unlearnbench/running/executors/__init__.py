"""Where trials run: on this machine (`local`) or as tasks of a Ray cluster (`ray`). Their results do not depend on it.

An executor decides nothing: what runs, in which order, and what is stored is `running.run`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.models.weights import Weights
from unlearnbench.problems.suite import Suite
from unlearnbench.running.plan import PlannedTrial
from unlearnbench.running.world import World
from unlearnbench.store.schema import Base, OriginalRow


class Executor(Protocol):
    """What a run asks of the place where its trials run. The calls block, and come from many threads."""

    @property
    def workers(self) -> int:
        """How many calls at a time are of use."""
        ...

    @property
    def device(self) -> str: ...

    @property
    def precision(self) -> str:
        """The suite's, with `auto` decided for where trials run."""
        ...

    @property
    def hardware(self) -> dict[str, Any]: ...

    @property
    def folder(self) -> Path | None:
        """Where worlds lay their training sets out; None if no trial runs on this machine."""
        ...

    def train(self, world: World) -> tuple[Weights, float]:
        """The original of this world, and the seconds that its training took."""
        ...

    def judge(self, world: World, key: str, weights: Weights, seconds: float) -> OriginalRow: ...

    def trial(self, trial: PlannedTrial, world: World, original: Path, run_id: str) -> list[Base]:
        """As `running.trial.run_trial`; `original` is a file of this machine."""
        ...


Start = Callable[[Suite, Isolation, int | None], AbstractContextManager[Executor]]
"""Gives the executor of one run of a suite at a level of isolation, with so many workers, or as many as fit.

On leaving, what it still runs is ended.
"""
