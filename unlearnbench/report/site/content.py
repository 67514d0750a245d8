"""What the pages say, as data: no markup here."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from unlearnbench.evaluation.statistics import Estimate
from unlearnbench.report.numbers.current import Stale
from unlearnbench.report.numbers.frames import State
from unlearnbench.report.numbers.totals import REFERENCE
from unlearnbench.report.wording import demonstration, standing
from unlearnbench.store.schema import RunRow, SubmissionRow

METRICS = ("healed_train", "healed_undiscovered", "healed_test", "utility", "aggregate")
"""The panels of a method's detail, in this order."""

Row = dict[Hashable, Any]
"""A row of a frame; the columns are those of `ranking` and `trials`."""


@dataclass(frozen=True)
class Trial:
    """One value of a cell, in percent; nan where nothing was measured. A failed trial's aggregate is 0."""

    label: str
    """Its seed."""
    state: str
    reason: str
    values: dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One cell of a method's map: seed means in percent, the product's interval, and what they are made of."""

    corruption: str
    rate: float
    """Discovery rate in percent."""
    state: State
    values: dict[str, float]
    product: Estimate
    """One value a seed; its ends are nan of fewer than three."""
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Failure:
    """The trials of a method that failed for one reason."""

    reason: str
    count: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """All that is shown of one row of the ranking."""

    name: str
    page: str
    """The file of its page."""
    row: Row
    submission: SubmissionRow
    hyperparameters: dict[str, Any]
    source_hash: str
    cells: tuple[tuple[Cell, ...], ...]
    """Rows by corruption, the most regular on top; columns by discovery rate, rising."""
    originals: tuple[dict[str, float], ...]
    """For each row the metrics of the original models, in percent."""
    failures: tuple[Failure, ...]
    forward_samples: float
    backward_samples: float
    """Samples, mean over finished trials; nan where none was counted."""

    @property
    def reference(self) -> bool:
        return bool(self.row["role"] == REFERENCE)


@dataclass(frozen=True)
class Group:
    """Methods that are listed together: those on one kind of original, or the references among them."""

    title: str
    note: str
    methods: tuple[Method, ...]


@dataclass(frozen=True)
class Run:
    """A run that contributed, and how many of the shown trials it recorded."""

    row: RunRow
    recorded: int
    changed: tuple[tuple[str, str], ...]
    """Keys of the suite whose values differ from the board's, with its own values."""


@dataclass(frozen=True)
class Content:
    """Everything on the site."""

    suite: str
    title: str
    latest: RunRow
    specification: tuple[tuple[str, str], ...]
    """The suite, as dotted keys and values."""
    runs: tuple[Run, ...]
    corruptions: dict[str, str]
    """Names of the corruptions, the most regular first, and how the rows of maps call them."""
    short: dict[str, str]
    """The same where there is little room."""
    rates: tuple[float, ...]
    """Discovery rates in percent."""
    groups: tuple[Group, ...]
    originals: tuple[Row, ...]
    correlations: tuple[Row, ...]
    """Of healing on train and on test, as `frames.healing_correlation` has them."""
    beyond: tuple[Row, ...]
    """Trials that heal more than the oracle."""
    incomplete: tuple[Row, ...]
    """Seeds that do not count."""
    stale: tuple[Stale, ...]
    unpaired: str
    """Which methods were compared unpaired; empty if none was."""
    trials: int
    failed: int
    missing: int
    seeds: int

    @property
    def demonstration(self) -> str:
        return demonstration(self.seeds)

    @property
    def longest_word(self) -> int:
        """Letters of the longest word beside a map: it needs as much room."""
        return max(len(word) for label in self.short.values() for word in label.split())

    @property
    def standing(self) -> str:
        return standing(self.seeds)

    @property
    def methods(self) -> tuple[Method, ...]:
        return tuple(method for group in self.groups for method in group.methods)
