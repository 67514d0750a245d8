"""Who is best, and who cannot be told apart: one row a method, with intervals and shared ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from unlearnbench.evaluation.statistics import Paired, Values, mean, paired, resamples, sem, shared_ranks
from unlearnbench.problem.corruption import REGULARITIES
from unlearnbench.report.frames import REFERENCE, RETRAIN
from unlearnbench.report.scores import Scores, scores_of


def ranking(frame: pd.DataFrame, *, baseline: str = RETRAIN, seed: int = 0) -> pd.DataFrame:
    """The ranking of the methods in a frame of trials: see `ranked`."""
    return ranked(scores_of(frame), baseline=baseline, seed=seed)


def ranked(scores: Scores, *, baseline: str = RETRAIN, seed: int = 0) -> pd.DataFrame:
    """One row a method, over all problems, accuracies in percent; sorted by aggregate, references last.

    Methods are ranked among those that stand on the same kind of original; the suite's first kind comes first. One
    bootstrap over the problems gives all intervals (`_low`, `_high`). Methods that it cannot tell apart share a `rank`,
    as `evaluation.statistics.shared_ranks` says.

    A failed trial counts as aggregate 0; healed, utility and seconds are means over finished trials. Missing trials
    count nowhere, and two methods are compared on the problems that both have. `cost` is the mean time as a share of
    the `baseline` method's on the same kind of original. References and methods without a single record have no rank.
    """
    draws = resamples(len(scores.problems), np.random.default_rng(seed))
    # All metrics at once, aggregate first: one large product of matrices is faster than three.
    methods = paired(np.concatenate([scores.aggregate, scores.healed, scores.utility]), draws)
    count = len(scores.methods)
    table = scores.methods.assign(
        **_summary("healed", methods, range(count, 2 * count)),
        **_summary("utility", methods, range(2 * count, 3 * count)),
        **_summary("aggregate", methods, range(count)),
        trials=(~np.isnan(scores.aggregate)).sum(axis=1) + scores.missing.sum(axis=1),
        failed=scores.failed.sum(axis=1),
        missing=scores.missing.sum(axis=1),
        seconds=[mean(_there(row)) for row in scores.seconds],
    )
    table["cost"] = table["seconds"] / table["stands_on"].map(seconds_of(scores, baseline)).astype(float)
    table.insert(0, "rank", _ranks(table, methods))
    reference, other = table["role"] == REFERENCE, table["method"].str.contains(" on ", regex=False)
    order = table.assign(reference=reference, kind=table["stands_on"].where(other, "")).sort_values(
        ["kind", "reference", "aggregate", "method"], ascending=[True, True, False, True]
    )
    return table.loc[order.index].reset_index(drop=True)


def ranked_by_regularity(scores: Scores, *, baseline: str = RETRAIN, seed: int = 0) -> pd.DataFrame:
    """The ranking on the problems of each regularity, high first, one below the other; `regularity` says which."""
    parts = [
        ranked(scores.of(regularity), baseline=baseline, seed=seed).assign(regularity=regularity)
        for regularity in reversed(REGULARITIES)
        if (scores.problems["regularity"] == regularity).any()
    ]
    return pd.concat(parts, ignore_index=True) if parts else ranked(scores, baseline=baseline).assign(regularity="")


def seconds_of(scores: Scores, baseline: str) -> dict[str, float]:
    """The mean time of the baseline on each kind of original."""
    names = scores.methods["method"]
    chosen = np.flatnonzero((names == baseline) | names.str.startswith(f"{baseline} on "))
    return {scores.methods["stands_on"].iloc[row]: mean(_there(scores.seconds[row])) for row in chosen}


def _there(values: Values) -> Values:
    return values[~np.isnan(values)]


def _summary(metric: str, methods: Paired, rows: range) -> dict[str, list[float]]:
    """Mean, standard error and interval of each of these rows, in percent."""
    estimates = [methods.mean(row) for row in rows]
    return {
        metric: [100 * estimate.value for estimate in estimates],
        f"{metric}_sem": [100 * sem(_there(methods.values[row])) for row in rows],
        f"{metric}_low": [100 * estimate.low for estimate in estimates],
        f"{metric}_high": [100 * estimate.high for estimate in estimates],
    }


def _ranks(table: pd.DataFrame, methods: Paired) -> pd.Series[int]:
    """Ranks by the first rows of `methods`, for each kind of original, of what is no reference and has records."""
    ranks = pd.Series(pd.NA, index=table.index, dtype="Int64")
    competing = table[(table["role"] != REFERENCE) & table["aggregate"].notna()]
    for _, group in competing.groupby("stands_on"):
        order = group.sort_values(["aggregate", "method"], ascending=[False, True]).index
        ranks[order] = shared_ranks(methods, order.tolist())
    return ranks
