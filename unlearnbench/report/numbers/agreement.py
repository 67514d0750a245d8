"""How far two boards agree on methods: rank correlations of their scores, and which methods change places.

Compared is what a submission does with its defaults on the first kind of original of each board, so that each
submission is one point; references are left out. A score is the mean over whole seeds of utility x healed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.statistics import CONFIDENCE, NAN, Values, correlation
from unlearnbench.report.numbers.comparison import ALL
from unlearnbench.report.numbers.scores import scores_of
from unlearnbench.report.numbers.standings import Standings
from unlearnbench.report.numbers.totals import REFERENCE
from unlearnbench.report.wording import in_order

RESAMPLES = 10_000


def scores_by_corruption(boards: Mapping[str, Standings]) -> pd.DataFrame:
    """Scores in percent of the submissions that have whole seeds on every board.

    Index: `corruption` (`all`, then those that every board has, most regular first) and `method`. A column per board.

    Raises:
        UsageError: there are fewer than two boards, or they have no corruption in common.
    """
    if len(boards) < 2:
        raise UsageError("agreement is between at least two boards: name two suites or more")
    totals = {name: _compared(board) for name, board in boards.items()}
    shared = in_order(set.intersection(*(set(own["corruption"]) for own in totals.values())))
    if not shared:
        raise UsageError(f"the boards {', '.join(boards)} have no corruption in common")
    parts = {ALL: shared} | {name: [name] for name in shared}
    found = {}
    for board, own in totals.items():
        for part, corruptions in parts.items():
            scores = scores_of(own[own["corruption"].isin(corruptions)])
            for method in scores.methods:
                found[part, _submission(own, method), board] = 100 * scores.estimate("aggregate", method).value
    table = pd.Series(found, dtype="float64").rename_axis(["corruption", "method", "board"]).unstack("board")
    return table.reindex(columns=list(boards)).dropna().reindex(index=list(parts), level="corruption")


def agreement(scores: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of each pair of boards, by corruption, from `scores_by_corruption`.

    Columns: `corruption`, `first`, `second` (boards), `methods` (their number), `spearman`, and the ends of its 95%
    percentile interval, `spearman_low` and `spearman_high`, which resamples methods. It says how much rests on which
    methods there are. It does not contain the noise of seeds, nor cover other data sets.
    """
    rows = []
    for corruption in scores.index.unique("corruption"):
        part = scores.loc[corruption]
        for first, second in itertools.combinations(scores.columns, 2):
            x, y = part[first].to_numpy(), part[second].to_numpy()
            low, high = resampled(x, y)
            rows.append((corruption, first, second, len(part), correlation(x, y, "spearman"), low, high))
    return pd.DataFrame(
        rows, columns=["corruption", "first", "second", "methods", "spearman", "spearman_low", "spearman_high"]
    )


def resampled(x: Values, y: Values, seed: int = 0) -> tuple[float, float]:
    """Ends of the 95% percentile interval of Spearman's correlation when pairs (x, y) are resampled.

    nan where the correlation is. Resamples in which one side is constant have none, and are left out.
    """
    if np.isnan(correlation(x, y, "spearman")):
        return NAN, NAN
    drawn = np.random.default_rng(seed).integers(len(x), size=(RESAMPLES, len(x)))
    ranks = [rankdata(values[drawn], axis=1) for values in (x, y)]  # each [RESAMPLES, pairs]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    lengths = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    varying = lengths > 0
    found: NDArray[np.float64] = (a * b).sum(axis=1)[varying] / lengths[varying]
    outside = 50 * (1 - CONFIDENCE)
    return float(np.percentile(found, outside)), float(np.percentile(found, 100 - outside))


def places(scores: pd.DataFrame) -> pd.DataFrame:
    """The place of each method on each board, 1 for the best score over all corruptions; ties share the best place.

    A column per board, and `moved`: the difference between its best and its worst place. Sorted by the first board.
    """
    overall = pd.DataFrame(scores.loc[ALL])
    ranks = overall.rank(ascending=False, method="min").astype("int64")
    ranks = ranks.assign(moved=ranks.max(axis="columns") - ranks.min(axis="columns"))
    return ranks.sort_values(str(overall.columns[0]), kind="stable")


def _compared(board: Standings) -> pd.DataFrame:
    """The totals of whole seeds of default variants on the first kind of original, without references."""
    totals, base = board.totals, board.suite.base
    own = (totals["capacity"] == base.capacity) & (totals["training"] == base.training)
    return totals[own & totals["whole"] & (totals["variant"] == "default") & (totals["role"] != REFERENCE)]


def _submission(totals: pd.DataFrame, method: str) -> str:
    return str(totals.loc[totals["method"] == method, "submission"].iloc[0])
