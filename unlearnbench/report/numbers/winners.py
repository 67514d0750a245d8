"""The best method of each cell of a board, and whether that is certain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from unlearnbench.evaluation.statistics import FEWEST_FOR_RANKS, rank_intervals
from unlearnbench.report.numbers.scores import scores_of
from unlearnbench.report.numbers.totals import scored, shown, totals_of


def winners(frame: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """A row per cell in which one of these methods has a value, indexed by corruption and discovery rate.

    Columns:
        method: that with the best mean of utility x healed over seeds, of those with the most whole seeds: a mean over
            fewer is of other originals.
        alone: whether 1 is the only rank that it can have in that cell among these methods (`rank_intervals`). It is
            not if one of them has fewer than `FEWEST_FOR_RANKS` seeds.

    Methods without a whole seed do not count, unless no method has one.
    """
    rows = frame[frame["method"].isin(methods)]
    if rows["whole"].any():
        rows = rows[rows.groupby("method")["whole"].transform("any")]
    cell = ["corruption", "discovery_rate"]
    seeds = rows[rows["whole"]].groupby("method")["seed"].nunique().reindex(rows["method"].unique(), fill_value=0)
    known = shown(rows[rows["method"].isin(seeds.index[seeds == seeds.max()])])
    known = known.assign(value=scored(known, "aggregate")).dropna(subset=["value"])
    means = known.groupby([*cell, "method"])["value"].mean().unstack().reindex(columns=list(methods))
    best = means.idxmax(axis=1).rename("method").to_frame()  # the first of equals
    certain: dict[Any, str | None] = {place: _surely_first(part) for place, part in rows.groupby(cell)}
    return best.assign(alone=[certain[place] == method for place, method in best["method"].items()])


def _surely_first(rows: pd.DataFrame) -> str | None:
    """The method that certainly has rank 1 among those in these rows, or None."""
    scores = scores_of(totals_of(rows))
    if ((scores.originals >= 0).sum(axis=1) < FEWEST_FOR_RANKS).any():
        return None
    ranks = rank_intervals(scores.values["aggregate"], scores.originals)
    return next((name for name, rank in zip(scores.methods, ranks, strict=True) if rank == (1, 1)), None)
