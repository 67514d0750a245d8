"""Tries of a tuning, the selection of the best one, and the cost of selecting without true labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Literal, Protocol

from unlearnbench.problems.suite import Suite

Rule = Literal["blind", "oracle"]
"""Score to select by: `blind` is `selection_score`. `oracle` is the aggregate, from true labels (never ranked)."""

Cell = tuple[str, float, int, float, str]
"""A problem and an original: corruption, discovery rate, corruption seed, capacity, training."""

DEFAULT, TRY = "default", "try"
"""Names of variants: the first try, and all others."""


def variant_of_try(start: str, kind: str, digest: str) -> str:
    """Name of the variant of a try, in a tuning that starts from variant `start`."""
    return "_".join([*([] if start == "default" else [start]), kind, digest])


def start_of_try(variant: str) -> tuple[str, bool]:
    """Parse `variant_of_try`: the variant that the tuning started from, and whether this is the first (default) try."""
    match = re.fullmatch(rf"(?:(.+)_)?({DEFAULT}|{TRY})_[0-9a-f]{{8}}", variant)
    return (match[1] or "default", match[2] == DEFAULT) if match else (variant, False)


class Record(Protocol):
    """The fields of a trial's record that tuning uses."""

    @property
    def state(self) -> str: ...

    @property
    def selection_score(self) -> float | None: ...

    @property
    def aggregate(self) -> float | None: ...

    @property
    def processor_seconds(self) -> float | None: ...


@dataclass(frozen=True)
class Try:
    """One setting of the hyperparameters. Scores are means over its trials, where failed trials count as 0."""

    hyperparameters: dict[str, Any]
    selection_score: float
    aggregate: float
    trials: int
    failed: int = 0
    processor_seconds: float | None = None
    """Mean processor time of finished trials. None if no trial finished."""
    pruned: str | None = None
    """Why it was pruned. None if it completed all stages."""
    default: bool = False
    """Whether this is the setting that the tuning started from."""

    @property
    def eligible(self) -> bool:
        """Whether it may be selected: it was not pruned, and at least one trial finished."""
        return self.pruned is None and self.failed < self.trials

    def score(self, rule: Rule) -> float:
        return self.selection_score if rule == "blind" else self.aggregate


def summarised(hyperparameters: dict[str, Any], records: Sequence[Record], *, pruned: str | None, default: bool) -> Try:
    """Summarise the records of a try."""
    finished = (record.processor_seconds for record in records if record.state == "finished")
    times = [seconds for seconds in finished if seconds is not None]
    return Try(
        hyperparameters,
        fmean(record.selection_score or 0.0 for record in records),
        fmean(record.aggregate or 0.0 for record in records),
        len(records),
        sum(record.state == "failed" for record in records),
        fmean(times) if times else None,
        pruned,
        default,
    )


@dataclass(frozen=True)
class Choices:
    """Mean aggregate, in [0, 1], of the default and of the try that each rule selects. None if there is none."""

    default: float | None
    blind: float | None
    oracle: float | None

    @property
    def cost(self) -> float | None:
        """Aggregate lost by selecting with the blind rule, in percentage points."""
        return None if self.blind is None or self.oracle is None else 100 * (self.oracle - self.blind)


def best_first(tries: Sequence[Try], rule: Rule) -> list[Try]:
    """Sort tries by score: eligible ones first, pruned ones last. Ties keep their order."""
    return sorted(tries, key=lambda item: (not item.eligible, item.pruned is not None, -item.score(rule)))


def choices(tries: Sequence[Try]) -> Choices:
    """Compare the eligible tries that the two rules select with the default."""
    eligible = [item for item in tries if item.eligible]
    default = next((item.aggregate for item in tries if item.default), None)
    if not eligible:
        return Choices(default, None, None)
    blind, oracle = (best_first(eligible, rule)[0].aggregate for rule in ("blind", "oracle"))
    return Choices(default, blind, oracle)


def name_of(suite: str, rule: Rule = "blind") -> str:
    """Name of the suite under which the trials of a tuning are stored."""
    return f"{suite}-tune" + ("-oracle" if rule == "oracle" else "")


def whole_grid(suite: Suite, rule: Rule) -> Suite:
    """The suite with the seeds and discovery rates of its tuning: the problems that tries run on."""
    tuning = suite.tuning
    return replace(suite, name=name_of(suite.name, rule), seeds=tuning.seeds, discovery_rates=tuning.discovery_rates)
