"""Compare two methods: differences within the seeds that both have."""

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
    """The first method minus the second: overall, by corruption and by cell of the map.

    Columns:
        corruption, discovery_rate: the part of the map, most regular first; `all` and nan stand for all of them.
        NAME, NAME_low, NAME_high: for each of `scores.SHARES`, the difference in percentage points and the ends of its
            95% t interval over seeds.
        seeds, kind, p: of the difference in `aggregate`; the kind is `paired`, `unpaired` or `untested`, see
            `evaluation.statistics.difference`.
        wins, ties, losses: seeds on the same originals in which the first has the larger, equal, smaller aggregate.
        cost: difference of mean processor times, each as a share of `baseline`'s on the same kind of original, over
            the seeds that all have; nan but in the overall row.

    Raises:
        UsageError: a method has no trials or no whole seed, or both methods are the same.
    """
    both = [trials_of(frame, name) for name in (first, second)]
    if first == second:
        raise UsageError(f"cannot compare '{first}' with itself: name two methods")
    for name, own in zip((first, second), both, strict=True):
        if not own["whole"].any():
            raise UsageError(f"'{name}' has no whole seed: run its missing trials")
    shared = set.intersection(*(set(own.loc[own["whole"], "seed"]) for own in both))
    costs = costs_of(totals_of(frame[frame["seed"].isin(shared)] if shared else frame), baseline)
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
    """The columns of one part of the map."""
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
