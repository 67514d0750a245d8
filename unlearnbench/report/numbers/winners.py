"""The best method of each cell of a board, and whether the next best may be as good."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unlearnbench.evaluation.statistics import difference
from unlearnbench.report.numbers.totals import scored, shown


def winners(frame: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """A row per cell, indexed by corruption and discovery rate.

    Columns: `method`, that with the best mean of utility x healed over seeds; `next`, the second best (None if there is
    none); `alone`, whether the 95% interval of their difference, paired where both started from the same original,
    leaves out 0. Without an interval it is not alone.
    """
    rows = shown(frame[frame["method"].isin(methods)])
    rows = rows.assign(value=scored(rows, "aggregate")).dropna(subset=["value"])
    found = []
    for (corruption, rate), cell in rows.groupby(["corruption", "discovery_rate"], sort=False):
        values = cell.pivot(index="method", columns="seed", values="value")
        originals = cell.pivot(index="method", columns="seed", values="original_weights_hash")
        order = values.mean(axis=1).sort_values(ascending=False, kind="stable").index
        second, alone = None, False
        if len(order) > 1:
            second = order[1]
            mine, theirs = (values.loc[name].to_numpy(dtype=np.float64) for name in order[:2])
            same = (originals.loc[order[0]] == originals.loc[second]).to_numpy()
            apart = difference(mine, theirs, same)
            alone = bool(apart.low > 0 or apart.high < 0)
        found.append((corruption, rate, order[0], second, alone))
    columns = ["corruption", "discovery_rate", "method", "next", "alone"]
    return pd.DataFrame(found, columns=columns).set_index(["corruption", "discovery_rate"])
