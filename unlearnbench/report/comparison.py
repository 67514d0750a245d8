"""Where on the map one method beats another: differences on the problems that both have."""

from __future__ import annotations

import numpy as np
import pandas as pd

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.statistics import Draws, Values, mean, paired, resamples
from unlearnbench.problem.corruption import REGULARITIES
from unlearnbench.report.frames import RETRAIN
from unlearnbench.report.ranking import seconds_of
from unlearnbench.report.scores import Scores

ALL = "all"


def comparison(scores: Scores, first: str, second: str, *, baseline: str = RETRAIN, seed: int = 0) -> pd.DataFrame:
    """The first method minus the second: over all problems, for each regularity, for each cell of the map.

    `regularity` and `discovery_rate` name the part of the map (`all` and nan for the whole), high on top. Differences
    are in percentage points, with the ends of their 95% intervals, which need two common problems. They come from the
    bootstrap of the ranking, so both say the same. A failed trial is 0 in `aggregate`; healed, utility and cost are
    compared where both finished. `wins` counts the problems on which the first has the larger aggregate. `cost` is a
    difference of shares of the `baseline` method's mean time on the kind of original that each stands on.

    Raises:
        UsageError: a method without trials, twice the same method, or no problem that both have a record of.
    """
    rows = [_row_of(scores, name) for name in (first, second)]
    if first == second:
        raise UsageError(f"'{first}' cannot be compared with itself: name two methods")
    if np.isnan(scores.aggregate[rows]).any(axis=0).all():
        raise UsageError(f"'{first}' and '{second}' have no problem in common that was run with both: run them both")
    units = seconds_of(scores, baseline)
    cost = np.array([units.get(kind, float("nan")) for kind in scores.methods["stands_on"].iloc[rows]])
    present = [name for name in reversed(REGULARITIES) if (scores.problems["regularity"] == name).any()]
    parts = [(ALL, float("nan"), scores), *((name, float("nan"), scores.of(name)) for name in present)]
    for name in present:
        part = scores.of(name)
        parts += [(name, rate, part.of(name, rate)) for rate in sorted(part.problems["discovery_rate"].unique())]
    return pd.DataFrame(
        [
            {"regularity": name, "discovery_rate": rate} | _differences(part, rows, cost, seed)
            for name, rate, part in parts
        ]
    )


def _row_of(scores: Scores, method: str) -> int:
    known = scores.methods["method"].tolist()
    if method not in known:
        raise UsageError(f"no trials of method '{method}'; there are trials of: {', '.join(known)}")
    return known.index(method)


def _differences(scores: Scores, rows: list[int], cost: Values, seed: int) -> dict[str, float]:
    """What the comparison says of one part of the map."""
    draws = resamples(len(scores.problems), np.random.default_rng(seed))
    aggregate = np.round(np.subtract(*scores.aggregate[rows]), 12)
    return {
        "problems": int((~np.isnan(aggregate)).sum()),
        "wins": int((aggregate > 0).sum()),
        "ties": int((aggregate == 0).sum()),
        "losses": int((aggregate < 0).sum()),
        **_estimate("aggregate", scores.aggregate[rows], draws),
        **_estimate("healed", scores.healed[rows], draws),
        **_estimate("utility", scores.utility[rows], draws),
        "seconds": _mean_difference(scores.seconds[rows]),
        "cost": _mean_difference(scores.seconds[rows] / cost[:, np.newaxis]),
    }


def _estimate(metric: str, values: Values, draws: Draws) -> dict[str, float]:
    estimate = paired(values, draws).difference(0, 1)
    ends = {f"{metric}_low": 100 * estimate.low, f"{metric}_high": 100 * estimate.high}
    return {metric: 100 * estimate.value, **ends}


def _mean_difference(values: Values) -> float:
    differences = values[0] - values[1]
    return mean(differences[~np.isnan(differences)])
