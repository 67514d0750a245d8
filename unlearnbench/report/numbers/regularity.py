"""Measured regularity: what the rest of a corruption tells about a discovered sample (docs/protocol.md, section 3).

`retrain` at a discovery rate of `RATE` trains without D_f and with the other corrupted samples. The share of D_f to
which it gives the corrupted label, its `misled_discovered`, is 0 if the others tell nothing, and 1 if they tell all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from unlearnbench.evaluation.statistics import (
    Estimate,
    Values,
    correlation,
    estimate,
    resampled_correlation,
    share_estimate,
)
from unlearnbench.report.numbers.totals import RETRAIN, scored, shown

RATE = 0.1
HOW = f"`unlearnbench run SUITE --method {RETRAIN} --rate {RATE:g}` measures it"


@dataclass(frozen=True)
class Point:
    """The share of D_f to which retraining gives the corrupted label, for one corruption and discovery rate.

    Attributes:
        left: number of corrupted samples that were left in, a mean over seeds.
        shares: that of each seed, by seed.
    """

    corruption: str
    rate: float
    corrupted: float
    left: float
    share: Estimate
    shares: Mapping[str, float]


def points(frame: pd.DataFrame) -> list[Point]:
    """The points of a board by corruption and rising discovery rate; empty without trials of retraining."""
    rows = frame[(frame["method"] == RETRAIN) & (frame["state"] == "finished")]
    rows = shown(rows).dropna(subset=["misled_discovered"])
    discovered = np.maximum(1, (rows["discovery_rate"] * rows["corrupted"]).astype("float64").round())
    found = []
    for (corruption, rate), cell in rows.assign(discovered=discovered).groupby(["corruption", "discovery_rate"]):
        shares = cell["misled_discovered"].to_numpy(dtype=np.float64)
        counts, corrupted = cell["discovered"].to_numpy(), float(cell["corrupted"].mean())
        estimate = share_estimate(shares, counts)
        left = corrupted - float(counts.mean())
        of_seed = dict(zip(cell["seed"].astype(str), shares.tolist(), strict=True))
        found.append(Point(str(corruption), float(str(rate)), corrupted, left, estimate, of_seed))
    return found


def measured(frame: pd.DataFrame) -> dict[str, Point]:
    """The measured regularity of each corruption that has one."""
    return {point.corruption: point for point in points(frame) if point.rate == RATE}


def with_measured(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the column `measured`: the measured regularity of each row's corruption, nan if there is none."""
    values = {name: point.share.value for name, point in measured(frame).items()}
    return frame.assign(measured=frame["corruption"].map(values).astype("float64"))


def values_of(frame: pd.DataFrame) -> dict[str, float]:
    """The measured regularities by corruption, from `with_measured`; empty for a frame without them."""
    if "measured" not in frame:
        return {}
    known = frame.drop_duplicates("corruption").set_index("corruption")["measured"].dropna()
    return {str(name): float(value) for name, value in known.items()}


def amount(frame: pd.DataFrame) -> str:
    """The amount of corruption that measured regularities are for, in words; empty without any."""
    if not values_of(frame):
        return ""
    left = sorted({round(point.left) for point in measured(frame).values()})
    return f"{left[0]} left in" if len(left) == 1 else f"{left[0]} to {left[-1]} left in" if left else ""


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per corruption of a board, most regular first: its measured regularity, and its `base` rate.

    The base rate is the share of D_m that a model gets wrong in the same way without any of the corruption: that of
    retraining at 100% discovery. nan where a trial is missing.
    """
    all_points, rows = points(frame), []
    base = {point.corruption: point.share.value for point in all_points if point.rate == 1}
    known = measured(frame)
    for name in frame["corruption"].unique():
        point = known.get(name)
        row: dict[str, Any] = {"corruption": name, "base": base.get(name, np.nan)}
        if point is not None:
            of_share = {"value": point.share.value, "low": point.share.low, "high": point.share.high}
            row |= of_share | {"seeds": point.share.seeds, "corrupted": point.corrupted, "left": point.left}
        rows.append(row)
    columns = ["corruption", "value", "low", "high", "seeds", "corrupted", "left", "base"]
    return pd.DataFrame(rows).reindex(columns=columns)


def prediction(frame: pd.DataFrame) -> pd.DataFrame:
    """How well measured regularity predicts a method's score: a row per method and discovery rate.

    `rho` is Spearman's rank correlation, over the corruptions, of measured regularity and utility x healed (mean over
    seeds); `low` and `high` are the ends of its 95% interval, from resampled corruptions. nan for fewer than five
    `corruptions`.
    """
    found = []
    for (method, rate), cell in _scores(frame).groupby(["method", "discovery_rate"], sort=False):
        means = cell.groupby("corruption")[["measured", "value"]].mean().dropna().to_numpy(dtype=np.float64)
        low, high = resampled_correlation(means[:, 0], means[:, 1])
        rho = correlation(means[:, 0], means[:, 1], "spearman")
        found.append((method, rate, rho, low, high, len(means)))
    return pd.DataFrame(found, columns=["method", "discovery_rate", "rho", "low", "high", "corruptions"])


def steady(frame: pd.DataFrame, methods: Sequence[str], rate: float) -> pd.DataFrame:
    """How good each method is at a discovery rate whatever the corruption, in percent, indexed by method.

    `mean` over the corruptions, with the ends of its interval over seeds, `low` and `high`; `worst`, the mean over
    seeds on the corruption `where` it is lowest.
    """
    rows = _scores(frame[frame["discovery_rate"] == rate])
    found = {}
    for method in methods:
        own = rows[rows["method"] == method]
        by_seed, by_corruption = (100 * own.groupby(key)["value"].mean() for key in ("seed", "corruption"))
        over = estimate(by_seed.to_numpy(dtype=np.float64))
        if len(own):
            ends = {"mean": over.value, "low": over.low, "high": over.high}
            found[method] = ends | {"worst": by_corruption.min(), "where": by_corruption.idxmin()}
    return pd.DataFrame.from_dict(found, orient="index")


def choices(frame: pd.DataFrame, methods: Sequence[str], rate: float) -> pd.DataFrame:
    """What choosing a method by measured regularity is worth at a discovery rate, in percent, by what is known.

    `regularity`: on each corruption, the method that is best on the other one whose measured regularity is nearest.
    `once`: the same as one sees it who trained one model; its regularity is that of one seed, and all it is compared
    with is from the other seeds. `nothing`: the method with the best mean over the other corruptions. `corruption`:
    the best method on it, which nobody can know. `gain` and `gain_once`: the first and the second minus `nothing`.

    Columns `value`, `low`, `high`: the mean over corruptions with its interval over seeds. The seeds are those that
    most methods have, and methods with all cells of them count. Empty for fewer than two corruptions, or no method.
    """
    rows = _scores(frame[(frame["discovery_rate"] == rate) & frame["method"].isin(methods)])
    known = values_of(frame)
    cells = rows[rows["corruption"].isin(known)].pivot_table(
        index=["corruption", "method"], columns="seed", values="value"
    )
    if not cells.empty:
        of_method = cells.notna().groupby(level="method").all().apply(tuple, axis="columns")
        cells = cells.loc[:, list(of_method.mode()[0])]
    means = cells.dropna().mean(axis=1).unstack().reindex(index=list(known), columns=list(methods)).dropna(axis=1)
    if len(known) < 2 or means.empty:
        return pd.DataFrame(columns=["value", "low", "high"])
    chosen: dict[str, list[tuple[str, str]]] = {"regularity": [], "nothing": [], "corruption": []}
    for name, value in known.items():
        chosen["regularity"].append((name, _best_beside(name, value, known, means)))
        chosen["nothing"].append((name, str(means.drop(name).mean().idxmax())))
        chosen["corruption"].append((name, str(means.loc[name].idxmax())))
    by_seed = {knowing: 100 * cells.loc[places].mean().to_numpy(dtype=np.float64) for knowing, places in chosen.items()}
    cells = cells[cells.index.get_level_values("method").isin(means.columns)]
    of_seed = measured(frame)
    by_seed["once"] = 100 * _measured_once(cells, {name: of_seed[name].shares for name in known})
    by_seed["gain"] = by_seed["regularity"] - by_seed["nothing"]
    by_seed["gain_once"] = by_seed["once"] - by_seed["nothing"]
    over = {knowing: estimate(values) for knowing, values in by_seed.items()}
    rows_of = [(item.value, item.low, item.high) for item in over.values()]
    return pd.DataFrame(rows_of, index=list(over), columns=["value", "low", "high"])


def _best_beside(name: str, value: float, known: Mapping[str, float], means: pd.DataFrame) -> str:
    """The method that is best on the corruption whose regularity is nearest to this value, `name` left out.

    Args:
        means: scores [corruptions, methods].
    """
    nearest = min((other for other in known if other != name), key=lambda other: abs(known[other] - value))
    return str(means.loc[nearest].idxmax())


def _measured_once(cells: pd.DataFrame, shares: Mapping[str, Mapping[str, float]]) -> Values:
    """The score of each seed, a mean over corruptions, if its own measurement alone chooses the methods.

    Args:
        cells: scores [(corruption, method), seeds].
        shares: measured regularity by corruption and seed; a seed without all of them has no score.
    """
    found = []
    for seed in cells.columns:
        others = cells.columns.drop(seed)
        if others.empty or any(seed not in of_seed for of_seed in shares.values()):
            found.append(np.nan)
            continue
        means = cells[others].mean(axis=1).unstack()
        known = {
            name: fmean(of_seed[other] for other in others if other in of_seed) for name, of_seed in shares.items()
        }
        picks = [(name, _best_beside(name, of_seed[seed], known, means)) for name, of_seed in shares.items()]
        found.append(float(cells[seed].loc[picks].mean()))
    return np.array(found)


def _scores(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials with a score, `value`: those of whole seeds, or all of a method without any."""
    return shown(frame.assign(value=scored(frame, "aggregate"))).dropna(subset=["value"])
