"""What the pages say, as data: no markup here."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from unlearnbench.evaluation.statistics import Estimate
from unlearnbench.report.frames import REFERENCE, State
from unlearnbench.report.labels import demonstration
from unlearnbench.store.schema import RunRow, SubmissionRow

METRICS = ("healed_train", "healed_test", "utility", "aggregate")
"""The panels of a method's detail, in this order."""

Row = dict[Hashable, Any]
"""A row of a frame; the columns are those of `ranking` and `trials`."""


@dataclass(frozen=True)
class Trial:
    """One value of a cell, in percent; nan where nothing was measured. A failed trial's aggregate is 0."""

    label: str
    """Its seed, and its corruption where several share a row of the map."""
    state: str
    reason: str
    values: dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One cell of a method's map: seed means in percent, the product's interval, and what they are made of."""

    regularity: str
    rate: float
    """Discovery rate in percent."""
    state: State
    values: dict[str, float]
    product: Estimate
    """Bootstrap over the trials that count; its ends are nan of fewer than two."""
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
    tied: bool
    """Whether another method has the same rank."""
    submission: SubmissionRow
    hyperparameters: dict[str, Any]
    source_hash: str
    cells: tuple[tuple[Cell, ...], ...]
    """Rows by regularity, high on top; columns by discovery rate, rising."""
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
    """Keys of the suite whose values differ from the latest run's, with its own values."""


@dataclass(frozen=True)
class Content:
    """Everything on the site."""

    suite: str
    title: str
    latest: RunRow
    specification: tuple[tuple[str, str], ...]
    """The suite of the latest run, as dotted keys and values."""
    runs: tuple[Run, ...]
    regularities: tuple[str, ...]
    rates: tuple[float, ...]
    """Discovery rates in percent."""
    groups: tuple[Group, ...]
    originals: tuple[Row, ...]
    trials: int
    failed: int
    missing: int
    seeds: int

    @property
    def demonstration(self) -> str:
        return demonstration(self.seeds)

    @property
    def methods(self) -> tuple[Method, ...]:
        return tuple(method for group in self.groups for method in group.methods)
