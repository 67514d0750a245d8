"""How far two boards agree on methods: rank correlations, pairs in the same order, and which methods change places.

Compared is what a submission does with its defaults on the first kind of original of each board, so that each
submission is one point; references are left out. A score is the mean over whole seeds of utility x healed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.statistics import FEWEST_SEEDS, Mask, correlation, resampled_correlation
from unlearnbench.report.numbers.comparison import ALL
from unlearnbench.report.numbers.scores import Scores, scores_of
from unlearnbench.report.numbers.standings import Standings
from unlearnbench.report.numbers.totals import REFERENCE
from unlearnbench.report.wording import in_order


def comparable(boards: Mapping[str, Standings]) -> dict[str, pd.DataFrame]:
    """The totals of each board that are compared: whole seeds, in the corruptions that every board has, of the methods
    that have all of the board's, so that the means on a board are over the same seeds.

    Raises:
        UsageError: there are fewer than two boards, or they have no corruption in common.
    """
    if len(boards) < 2:
        raise UsageError("agreement is between at least two boards: name two suites or more")
    totals = {name: _compared(board) for name, board in boards.items()}
    shared = set.intersection(*(set(own["corruption"]) for own in totals.values()))
    if not shared:
        raise UsageError(f"the boards {', '.join(boards)} have no corruption in common")
    return {name: own[own["corruption"].isin(shared)] for name, own in totals.items()}


def scores_by_corruption(totals: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, Scores]]:
    """Part -> board -> the scores of the submissions that are in all of these `comparable` totals, in the same order.

    The parts are `all`, then the corruptions, most regular first.

    Raises:
        UsageError: no method is in all of them.
    """
    methods = sorted(set.intersection(*(set(own["method"]) for own in totals.values())))
    if not methods:
        raise UsageError(f"the boards {', '.join(totals)} have no method in common: run one on all of them")
    shared = in_order({name for own in totals.values() for name in own["corruption"]})
    parts = {ALL: shared} | {name: [name] for name in shared}
    return {
        part: {board: scores_of(own[own["corruption"].isin(of)], methods) for board, own in totals.items()}
        for part, of in parts.items()
    }


def means(scores: Mapping[str, Scores]) -> pd.DataFrame:
    """Scores in percent, mean over whole seeds: a row per method, a column per board."""
    return pd.DataFrame(
        {board: [100 * of.estimate("aggregate", name).value for name in of.methods] for board, of in scores.items()},
        index=pd.Index(next(iter(scores.values())).methods, name="method"),
    )


def agreement(scores: Mapping[str, Mapping[str, Scores]]) -> pd.DataFrame:
    """How far two boards agree, from `scores_by_corruption`: a row per part.

    Columns:
        corruption, first, second: the part, and the boards.
        methods: the number of methods that both have.
        spearman, spearman_low, spearman_high: the rank correlation, and the ends of its 95% percentile interval, which
            resamples methods. It says how much rests on which methods there are. It does not contain the noise of
            seeds, nor cover other data sets.
        settled, same, opposite: the pairs of methods that the first board tells apart (`_ahead`), those of them whose
            means have the same order on the second, and those that the second tells apart the other way round: none if
            it has too few seeds to tell any apart.
    """
    rows = []
    for corruption, of in scores.items():
        (first, one), (second, other) = of.items()
        x, y = means(of).to_numpy().T
        pairs = _ahead(one)
        rows.append(
            {
                "corruption": corruption,
                "first": first,
                "second": second,
                "methods": len(x),
                "spearman": correlation(x, y, "spearman"),
                **dict(zip(("spearman_low", "spearman_high"), resampled_correlation(x, y), strict=True)),
                "settled": int(pairs.sum()),
                "same": int((pairs & (y[:, None] > y)).sum()),
                "opposite": int((pairs & _ahead(other).T).sum()) if len(other.seeds) >= FEWEST_SEEDS else None,
            }
        )
    return pd.DataFrame(rows)


def _ahead(scores: Scores) -> Mask:
    """bool [methods, methods]: whether the 95% interval of row minus column is above zero; each pair by itself."""
    return np.array(
        [[scores.difference("aggregate", one, other).low > 0 for other in scores.methods] for one in scores.methods]
    )


def places(overall: pd.DataFrame) -> pd.DataFrame:
    """The place of each method on each board, 1 for the best of these `means`; ties share the best place.

    A column per board, and `moved`: the difference between its best and its worst place. Sorted by the first board.
    """
    ranks = overall.rank(ascending=False, method="min").astype("int64")
    ranks = ranks.assign(moved=ranks.max(axis="columns") - ranks.min(axis="columns"))
    return ranks.sort_values(str(overall.columns[0]), kind="stable")


def _compared(board: Standings) -> pd.DataFrame:
    """The totals of default variants with most whole seeds on the first kind of original, without references."""
    totals, base = board.totals, board.suite.base
    own = (totals["capacity"] == base.capacity) & (totals["training"] == base.training)
    rows = totals[own & totals["whole"] & (totals["variant"] == "default") & (totals["role"] != REFERENCE)]
    seeds = rows.groupby("method")["seed"].transform("nunique")
    found: pd.DataFrame = rows[seeds == seeds.max()]
    return found
