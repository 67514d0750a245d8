"""Tries of a tuning: what each one measured, which one is chosen, and what choosing without true labels costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Literal, Protocol

from unlearnbench.problems.suite import Suite

Rule = Literal["blind", "oracle"]
"""What a try is judged by: `selection_score`, or the aggregate, which takes true labels and is never ranked."""

DEFAULT, TRY = "default", "try"
"""What the variants of the first try and of the others are called."""


def variant_of_try(start: str, kind: str, digest: str) -> str:
    """What the variant of a try is called whose tuning starts from the variant `start`."""
    return "_".join([*([] if start == "default" else [start]), kind, digest])


def start_of_try(variant: str) -> tuple[str, bool]:
    """The variant that a tuning started from, and whether the try is the first one, which has its hyperparameters."""
    match = re.fullmatch(rf"(?:(.+)_)?({DEFAULT}|{TRY})_[0-9a-f]{{8}}", variant)
    return (match[1] or "default", match[2] == DEFAULT) if match else (variant, False)


class Record(Protocol):
    """What a tuning takes from the record of a trial."""

    @property
    def state(self) -> str: ...

    @property
    def selection_score(self) -> float | None: ...

    @property
    def aggregate(self) -> float | None: ...

    @property
    def seconds(self) -> float | None: ...


@dataclass(frozen=True)
class Try:
    """One setting; scores are means over the trials that it was given, a failed trial counts 0."""

    hyperparameters: dict[str, Any]
    selection_score: float
    aggregate: float
    trials: int
    failed: int = 0
    seconds: float | None = None
    """Mean time in `unlearn` of the trials that finished; None if none did."""
    pruned: str | None = None
    """Why it was given up before it had all trials; None if it had them."""
    default: bool = False

    @property
    def eligible(self) -> bool:
        """Whether it may be chosen: it had all trials, and not all of them failed."""
        return self.pruned is None and self.failed < self.trials

    def score(self, rule: Rule) -> float:
        return self.selection_score if rule == "blind" else self.aggregate


def summarised(hyperparameters: dict[str, Any], records: Sequence[Record], *, pruned: str | None, default: bool) -> Try:
    """The try with these records."""
    times = [record.seconds for record in records if record.state == "finished" and record.seconds is not None]
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
    """Mean aggregate, as a share, of what each rule chooses among the same tries; None where there is nothing."""

    default: float | None
    blind: float | None
    oracle: float | None

    @property
    def cost(self) -> float | None:
        """What the blind choice costs, in percentage points."""
        return None if self.blind is None or self.oracle is None else 100 * (self.oracle - self.blind)


def best_first(tries: Sequence[Try], rule: Rule) -> list[Try]:
    """Those that may be chosen first, those that were pruned last; of equals the earlier one."""
    return sorted(tries, key=lambda item: (not item.eligible, item.pruned is not None, -item.score(rule)))


def choices(tries: Sequence[Try]) -> Choices:
    """What the blind rule and the oracle choose among the tries that had all trials, beside the default."""
    eligible = [item for item in tries if item.eligible]
    default = next((item.aggregate for item in tries if item.default), None)
    if not eligible:
        return Choices(default, None, None)
    blind, oracle = (best_first(eligible, rule)[0].aggregate for rule in ("blind", "oracle"))
    return Choices(default, blind, oracle)


def name_of(suite: str, rule: Rule = "blind") -> str:
    """The suite under whose name the trials of a tuning are stored."""
    return f"{suite}-tune" + ("-oracle" if rule == "oracle" else "")


def whole_grid(suite: Suite, rule: Rule) -> Suite:
    """The problems that a try is run on: those of the suite, with the seeds and discovery rates of its tuning."""
    tuning = suite.tuning
    return replace(suite, name=name_of(suite.name, rule), seeds=tuning.seeds, discovery_rates=tuning.discovery_rates)
