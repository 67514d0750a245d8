"""Where on the map one method beats another: differences within the seeds that both have."""

from __future__ import annotations

import numpy as np
import pandas as pd

from unlearnbench.errors import UsageError
from unlearnbench.report.numbers.frames import trials_of
from unlearnbench.report.numbers.ranking import costs_of
from unlearnbench.report.numbers.scores import SHARES, scores_of
from unlearnbench.report.numbers.totals import RETRAIN, totals_of
from unlearnbench.report.wording import in_order

ALL = "all"


def comparison(frame: pd.DataFrame, first: str, second: str, *, baseline: str = RETRAIN) -> pd.DataFrame:
    """The first method minus the second: over all cells, for each corruption, for each cell of the map.

    `corruption` and `discovery_rate` name the part of the map (`all` and nan for the whole), the most regular on top.
    Differences are in percentage points, with the ends of their 95% t intervals over seeds (`_low`, `_high`), `seeds`
    and `kind` (`paired`, `unpaired`, `untested`: see `evaluation.statistics.difference`) of that of `aggregate`, and
    its p value. `wins`, `ties` and `losses` count the seeds in which the first has the larger aggregate from the same
    original. `cost` is the difference of shares of the `baseline` method's mean processor time on the kind of original
    that each stands on.

    Raises:
        UsageError: a method without trials or without a whole seed, or twice the same method.
    """
    both = [trials_of(frame, name) for name in (first, second)]
    if first == second:
        raise UsageError(f"'{first}' cannot be compared with itself: name two methods")
    for name, own in zip((first, second), both, strict=True):
        if not own["whole"].any():
            raise UsageError(f"'{name}' has no whole seed: run what is missing of it")
    costs = costs_of(totals_of(frame), baseline)
    pair = pd.concat(both)
    present = in_order(pair["corruption"])
    parts = [(ALL, float("nan"), pair), *((name, float("nan"), pair[pair["corruption"] == name]) for name in present)]
    for name in present:
        part = pair[pair["corruption"] == name]
        rates = sorted(part["discovery_rate"].unique())
        parts += [(name, rate, part[part["discovery_rate"] == rate]) for rate in rates]
    table = pd.DataFrame(
        [{"corruption": name, "discovery_rate": rate} | _differences(part, first, second) for name, rate, part in parts]
    )
    return table.assign(cost=np.where(table["corruption"] == ALL, costs[first] - costs[second], np.nan))


def _differences(part: pd.DataFrame, first: str, second: str) -> dict[str, object]:
    """What the comparison says of one part of the map."""
    scores = scores_of(totals_of(part), [first, second])
    found = {metric: scores.difference(metric, first, second) for metric in SHARES}
    product = found["aggregate"]
    mine, theirs = scores.values["aggregate"]
    pairs = np.round(mine - theirs, 12)[scores.same_original(first, second)]
    row: dict[str, object] = {"seeds": product.seeds, "kind": product.kind, "p": product.p}
    row |= {"wins": int((pairs > 0).sum()), "ties": int((pairs == 0).sum()), "losses": int((pairs < 0).sum())}
    for metric, item in found.items():
        row |= {metric: 100 * item.value, f"{metric}_low": 100 * item.low, f"{metric}_high": 100 * item.high}
    return row
