"""The content of the site as data, without markup."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from unlearnbench.evaluation.statistics import Estimate
from unlearnbench.report.numbers.budget import MARKED
from unlearnbench.report.numbers.current import Stale
from unlearnbench.report.numbers.frames import State
from unlearnbench.report.numbers.totals import REFERENCE
from unlearnbench.report.wording import MAINTAINERS, demonstration, standing
from unlearnbench.store.schema import RunRow, SubmissionRow

METRICS = ("healed_train", "healed_undiscovered", "healed_test", "utility", "aggregate")
"""The panels of a method's page, in order."""

Row = dict[Hashable, Any]
"""A row of a frame: of a `ranking`, or of a board."""


@dataclass(frozen=True)
class Trial:
    """One trial of a cell. Values are in percent, nan if not measured; a failed trial's aggregate is 0."""

    label: str
    """`seed N`."""
    state: str
    reason: str
    values: dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One cell of a method's map: means over seeds in percent, the product's interval, and the trials."""

    corruption: str
    rate: float
    """Discovery rate in percent."""
    state: State
    values: dict[str, float]
    product: Estimate
    """Mean and interval over seeds; the ends are nan with fewer than three."""
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Failure:
    """The trials of a method that failed for one reason."""

    reason: str
    count: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """Everything shown of one row of the ranking."""

    name: str
    page: str
    """File name of its page."""
    row: Row
    submission: SubmissionRow
    hyperparameters: dict[str, Any]
    source_hash: str
    cells: tuple[tuple[Cell, ...], ...]
    """Rows by corruption, most regular first; columns by rising discovery rate."""
    originals: tuple[dict[str, float], ...]
    """The metrics of the original models for each row, in percent."""
    failures: tuple[Failure, ...]
    forward_samples: float
    backward_samples: float
    """Mean number of samples over finished trials; nan if not counted."""

    @property
    def over_budget(self) -> bool:
        return bool(self.row["budget"] > MARKED)

    @property
    def own(self) -> bool:
        """Whether it is ranked and by the people who maintain the board."""
        return not self.reference and MAINTAINERS in self.submission.authors

    @property
    def reference(self) -> bool:
        return bool(self.row["role"] == REFERENCE)


@dataclass(frozen=True)
class Group:
    """Methods that are listed together."""

    title: str
    note: str
    methods: tuple[Method, ...]


@dataclass(frozen=True)
class Run:
    """A run that contributed, and the number of shown trials that it recorded."""

    row: RunRow
    recorded: int
    origins: tuple[str, ...]
    """Where its records come from; empty if it ran on this store."""
    changed: tuple[tuple[str, str], ...]
    """Keys of the run's suite that differ from the board's suite, with the run's values."""


@dataclass(frozen=True)
class Content:
    """Everything on the site."""

    suite: str
    title: str
    latest: RunRow
    specification: tuple[tuple[str, str], ...]
    """The suite as dotted keys and JSON values."""
    runs: tuple[Run, ...]
    corruptions: dict[str, str]
    """Long row labels by corruption, most regular first."""
    short: dict[str, str]
    """Short row labels by corruption."""
    rates: tuple[float, ...]
    """Discovery rates in percent."""
    groups: tuple[Group, ...]
    originals: tuple[Row, ...]
    correlations: tuple[Row, ...]
    """The rows of `frames.healing_correlation`."""
    beyond: tuple[Row, ...]
    """Trials that heal more than the oracle."""
    incomplete: tuple[Row, ...]
    """Incomplete seeds."""
    stale: tuple[Stale, ...]
    unpaired: str
    """A sentence on methods compared unpaired; empty if there are none."""
    over_budget: str
    """A sentence on methods that exceeded the budget; empty if there are none."""
    budget: str
    """The budget in words."""
    trials: int
    failed: int
    missing: int
    seeds: int
    openness: str
    """Whether the seeds are public."""

    @property
    def demonstration(self) -> str:
        return demonstration(self.seeds)

    @property
    def longest_word(self) -> int:
        """Length of the longest word in a short row label, which sets the width of that column."""
        return max(len(word) for label in self.short.values() for word in label.split())

    @property
    def standing(self) -> str:
        return standing(self.seeds)

    @property
    def methods(self) -> tuple[Method, ...]:
        return tuple(method for group in self.groups for method in group.methods)
