"""Numbers of maps, figures and tables from a board's frame, in percent: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from unlearnbench.evaluation.statistics import Correlation, correlation, correlation_estimate, estimate
from unlearnbench.report.numbers.board import counted, unknown_method
from unlearnbench.report.numbers.regularity import values_of
from unlearnbench.report.numbers.totals import scored, shown
from unlearnbench.report.wording import in_order

LowUtility = Literal["relative", "absolute"]
"""How a utility is compared with the threshold: as a share of the original model's, or as it is (as published)."""

State = Literal["finished", "partly failed", "failed", "partly missing", "missing"]

LOW_UTILITY_THRESHOLD = 0.8


THIRDS = ("low", "middle", "high")
"""Of the discovery rates: up to 1/3, up to 2/3, above."""


def thirds(frame: pd.DataFrame) -> pd.DataFrame:
    """Means in percent by method, corruption and third of the discovery rates.

    Columns are pairs of one of `THIRDS` and a metric (`healed_train`,
    `utility`, `aggregate`) or `margin`, half of the 95% t interval of the aggregate over seeds. Failed trials count as
    in the ranking.
    """
    frame = shown(frame)
    third = third_of(frame)
    metrics = ["healed_train", "utility", "aggregate"]
    values = frame.assign(third=third, **{metric: scored(frame, metric) for metric in metrics})
    cell = ["method", "corruption", "third"]
    means = values.groupby(cell)[metrics].mean()
    of_seeds = values.groupby([*cell, "seed"])["aggregate"].mean().groupby(cell)
    means["margin"] = of_seeds.agg(lambda seeds: (found := estimate(seeds.to_numpy())).high - found.value)
    table = (100 * means).reset_index().pivot(index=["method", "corruption"], columns="third", values=[*means.columns])
    columns = pd.MultiIndex.from_product([THIRDS, means.columns])
    return table.swaplevel(axis=1).reindex(columns=columns)


def third_of(frame: pd.DataFrame) -> pd.Series[str]:
    """The third of the discovery rates that each row is in, one of `THIRDS`."""
    rates = frame["discovery_rate"]
    return pd.Series(np.select([rates <= 1 / 3, rates <= 2 / 3], THIRDS[:2], THIRDS[2]), frame.index)


def trials_of(frame: pd.DataFrame, method: str) -> pd.DataFrame:
    """The rows of a method.

    Raises:
        UsageError: the frame has no such method.
    """
    known = set(frame["method"])
    if method not in known:
        raise unknown_method(method, known)
    return frame[frame["method"] == method]


def map_of(frame: pd.DataFrame, metric: str, method: str) -> pd.DataFrame:
    """Means over seeds in percent, by corruption (most regular first) and discovery rate; nan if not measured.

    All methods of a frame get the same rows and columns. In the aggregate a failed trial is 0, as in the ranking. Only
    whole seeds count, unless the method has none.
    """
    own = shown(trials_of(frame, method))
    cells = own.assign(value=scored(own, metric)).groupby(["corruption", "discovery_rate"])["value"].mean()
    return 100 * _spread(cells, frame)


def states_of(frame: pd.DataFrame, method: str) -> pd.DataFrame:
    """The `State` of every cell of `map_of`; a cell with failed and missing trials is `partly failed`."""
    own = shown(trials_of(frame, method))
    cells = own.groupby(["corruption", "discovery_rate"])["state"].agg(_state)
    spread = _spread(cells, frame).astype(object)
    return spread.where(spread.notna(), "missing")


def _state(states: pd.Series[str]) -> State:
    failed, missing = (states == "failed").any(), (states == "missing").any()
    if failed:
        return "failed" if (states != "finished").all() else "partly failed"
    if missing:
        return "missing" if (states == "missing").all() else "partly missing"
    return "finished"


def _spread(cells: pd.Series[Any], frame: pd.DataFrame) -> pd.DataFrame:
    columns = sorted(frame["discovery_rate"].unique())
    return cells.unstack().reindex(index=in_order(frame["corruption"], values_of(frame)), columns=columns)


def original_column(frame: pd.DataFrame, metric: str, method: str) -> pd.Series[float]:
    """A metric of the original models that a method started from, in percent: means over seeds by corruption."""
    own = shown(trials_of(frame, method)).drop_duplicates(["corruption", "original"])
    return 100 * own.groupby("corruption")[f"original_{metric}"].mean()


def places(rows: pd.DataFrame) -> list[str]:
    """The cells of these trials as text, one per corruption."""
    rates = rows.groupby("corruption")["discovery_rate"].unique()
    return [
        f"{name} at {', '.join(f'{100 * rate:g}%' for rate in sorted(rates[name]))}"
        for name in in_order(rows["corruption"])
    ]


def has_low_utility(frame: pd.DataFrame, low_utility: LowUtility, threshold: float) -> pd.Series[bool]:
    """Whether each trial's utility is under the threshold, so that its healing means little."""
    unit = frame["original_utility"] if low_utility == "relative" else 1.0
    return frame["utility"] < threshold * unit


def healing_correlation(
    frame: pd.DataFrame,
    *,
    low_utility: LowUtility = "relative",
    threshold: float = LOW_UTILITY_THRESHOLD,
    by: Sequence[Literal["corruption", "method"]] = ("corruption", "method"),
) -> pd.DataFrame:
    """Correlation of healed on train and on test: overall, by corruption, by method.

    `pearson` and `spearman` are means over the seeds with a correlation (at least five finished trials that are not
    constant), with the ends of their intervals by Fisher's z; `pearson_seeds` and `spearman_seeds` count these seeds.
    Trials with low utility are left out and counted in `left_out`.
    """
    finished = counted(frame)
    # A trial without a forget set is at every rate, but is one point.
    finished = finished[(finished["state"] == "finished") & ~finished["again"]]
    groups: list[tuple[str, str, pd.DataFrame]] = [("overall", "all", finished)]
    if "corruption" in by:
        groups += [
            ("corruption", name, finished[finished["corruption"] == name]) for name in in_order(finished["corruption"])
        ]
    if "method" in by:
        groups += [("method", str(name), group) for name, group in finished.groupby("method")]
    rows = []
    for kind, name, group in groups:
        low = has_low_utility(group, low_utility, threshold)
        kept = [seed for _, seed in group[~low].groupby("seed")]
        row: dict[str, object] = {"by": kind, "name": name, "trials": int((~low).sum()), "left_out": int(low.sum())}
        measures: tuple[Correlation, ...] = ("pearson", "spearman")
        for measure in measures:
            pairs = [(seed["healed_train"].to_numpy(), seed["healed_test"].to_numpy()) for seed in kept]
            found = correlation_estimate(np.array([correlation(x, y, measure) for x, y in pairs], dtype=np.float64))
            row |= {measure: found.value, f"{measure}_low": found.low, f"{measure}_high": found.high}
            row |= {f"{measure}_seeds": found.seeds}
        rows.append(row)
    return pd.DataFrame(rows)
