"""One number a seed of each method: what every mean, interval, difference and rank is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unlearnbench.evaluation.statistics import FEWEST_SEEDS, Difference, Estimate, Mask, Values, difference, estimate
from unlearnbench.report.numbers.board import counted
from unlearnbench.report.numbers.frames import scored

SHARES = ("aggregate", "healed_train", "healed_undiscovered", "healed_test", "attack_success", "utility")
"""What is shown in percent."""
METRICS = (*SHARES, "seconds", "processor_seconds")


@dataclass(frozen=True)
class Scores:
    """Each method's board of each seed, reduced to one number a metric: the mean over the cells.

    Attributes:
        methods, seeds: their names, in the order of rows and columns.
        values: metric -> float64 [methods, seeds]. A failed trial is 0 in `aggregate`, and nowhere in the others; nan
            where a method has no whole seed, or none of its trials has a value.
        originals: [methods, seeds] of text, what the trials of a method started from in a seed, by checksum; two
            methods are a pair where it is equal. Empty where a seed is not whole.
    """

    methods: tuple[str, ...]
    seeds: tuple[str, ...]
    values: dict[str, Values]
    originals: NDArray[Any]

    def estimate(self, metric: str, method: str) -> Estimate:
        return estimate(self.values[metric][self.methods.index(method)])

    def difference(self, metric: str, first: str, second: str) -> Difference:
        one, other = (self.methods.index(name) for name in (first, second))
        values = self.values[metric]
        return difference(values[one], values[other], self.same_original(first, second))

    def is_pair(self, first: str, second: str) -> bool:
        """Whether a difference of these two is paired: they share the originals of enough seeds."""
        return int(self.same_original(first, second).sum()) >= FEWEST_SEEDS

    def same_original(self, first: str, second: str) -> Mask:
        """bool [seeds]: in which seeds both are whole and started from the same originals."""
        mine, theirs = (self.originals[self.methods.index(name)] for name in (first, second))
        same: Mask = (mine == theirs) & (mine != "")
        return same


def scores_of(frame: pd.DataFrame, methods: Sequence[str] = (), metrics: Sequence[str] = METRICS) -> Scores:
    """The scores of these methods, of all by default, on the trials of a frame (of a board, or of a part of one)."""
    names = list(methods) or sorted(frame["method"].unique())
    rows = counted(frame)
    rows = rows[rows["method"].isin(names)]
    seeds = list(dict.fromkeys(frame.sort_values(["corruption_seed", "training_seed"], kind="stable")["seed"]))
    values = {}
    for metric in metrics:
        measured = rows.assign(value=scored(rows, metric))
        means = measured.groupby(["method", "seed"])["value"].mean().unstack()
        values[metric] = means.reindex(index=names, columns=seeds).to_numpy(dtype=np.float64)
    pairs = rows[["method", "seed", "original_weights_hash"]].drop_duplicates().sort_values("original_weights_hash")
    started = pairs.groupby(["method", "seed"])["original_weights_hash"].agg(" ".join).unstack()
    originals = started.reindex(index=names, columns=seeds).astype(object).fillna("").to_numpy()
    return Scores(tuple(names), tuple(seeds), values, originals)
