"""Scores: one number per method, seed and metric, the mean over the places of the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unlearnbench.evaluation.statistics import FEWEST_SEEDS, Difference, Estimate, Mask, Values, difference, estimate
from unlearnbench.store.trials import SCORES

SHARES = ("aggregate", "healed_train", "healed_undiscovered", "healed_test", "attack_success", "utility")
"""The metrics that are shown in percent."""
METRICS = SCORES


@dataclass(frozen=True)
class Scores:
    """Means over the places of each seed's board.

    Attributes:
        methods, seeds: labels, in the order of rows and columns.
        values: metric -> float64 [methods, seeds]. A failed trial is 0 in `aggregate` and left out of other metrics;
            nan if the seed is not whole or no trial has a value.
        originals: int64 [methods, seeds]. Equal numbers mean equal weights hashes of all originals of the seed, so
            the methods can be paired; -1 if the seed is not whole.
    """

    methods: tuple[str, ...]
    seeds: tuple[str, ...]
    values: dict[str, Values]
    originals: NDArray[np.int64]

    def estimate(self, metric: str, method: str) -> Estimate:
        return estimate(self.values[metric][self.methods.index(method)])

    def difference(self, metric: str, first: str, second: str) -> Difference:
        one, other = (self.methods.index(name) for name in (first, second))
        values = self.values[metric]
        return difference(values[one], values[other], self.same_original(first, second))

    def unpaired(self, methods: Sequence[str]) -> list[int]:
        """For each method, the number of others with too few seeds on the same originals for a paired difference."""
        own = self.originals[[self.methods.index(name) for name in methods]]
        shared = ((own[:, None] == own[None, :]) & (own[:, None] >= 0)).sum(axis=2)
        np.fill_diagonal(shared, FEWEST_SEEDS)
        return [int(count) for count in (shared < FEWEST_SEEDS).sum(axis=1)]

    def same_original(self, first: str, second: str) -> Mask:
        """bool [seeds]: whether both are whole and started from the same originals."""
        mine, theirs = (self.originals[self.methods.index(name)] for name in (first, second))
        same: Mask = (mine == theirs) & (mine >= 0)
        return same


def scores_of(totals: pd.DataFrame, methods: Sequence[str] = ()) -> Scores:
    """The scores of these methods, by default of all, from the totals of a board or of part of one."""
    names = list(methods) or sorted(totals["method"].unique())
    order = totals.drop_duplicates("seed").sort_values(["corruption_seed", "training_seed"], kind="stable")
    seeds = order["seed"].tolist()
    rows = totals[totals["whole"] & totals["method"].isin(names)]
    place = ["method", "seed"]
    sums = rows.groupby(place)[[*METRICS, *(f"{metric}_count" for metric in METRICS)]].sum()
    values = {}
    for metric in METRICS:
        count = sums[f"{metric}_count"]
        # Rounded, so that a mean does not depend on the order in which a database adds.
        means = (sums[metric] / count.where(count > 0)).round(14).unstack()
        values[metric] = means.reindex(index=names, columns=seeds).to_numpy(dtype=np.float64)
    started = rows.pivot(index=place, columns="corruption", values="started")
    numbers = pd.Series(started.groupby(list(started.columns)).ngroup().to_numpy(), index=started.index)
    originals = numbers.unstack().reindex(index=names, columns=seeds).fillna(-1).to_numpy(dtype=np.int64)
    return Scores(tuple(names), tuple(seeds), values, originals)
