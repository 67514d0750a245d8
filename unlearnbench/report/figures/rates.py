"""Utility x healed against the discovery rate, one line per method.

As Figure 3 of the REM paper (Schoepf et al., arXiv 2505.17730); docs/protocol.md, section 7.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.statistics import estimate
from unlearnbench.problems.suite import OriginalSpec
from unlearnbench.report.figures.style import GREY, styled, text_width, wrapped
from unlearnbench.report.numbers.board import most_seeds, unknown_method
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.report.numbers.totals import REFERENCE, RETRAIN, scored, shown
from unlearnbench.report.wording import PRODUCT, RATE_LABEL, demonstration, in_order, row_labels
from unlearnbench.store.labels import METHOD, method_label, variant_names

MOST_LINES = 8
"""More lines cannot be told apart."""
BEST = 5
"""Number of lines drawn by default, besides retraining."""
_LOOKS = tuple(
    zip(
        ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"),  # Okabe and Ito 2008
        ("o", "s", "^", "D", "v", "P", "X", "<"),
        ("-", "--", "-.", (0, (1, 1)), "-", "--", "-.", (0, (1, 1))),
        strict=True,
    )
)
_PANEL, _TICK = (2.4, 1.7), 0.24
"""Inches: minimum size of a panel, width of a label below it."""
_APART, _SPREAD = 4.0, 12.0
"""Points: distance between lines at one rate, and its maximum over all lines. Keeps error bars apart."""
_BESIDE = 2.0
"""Points from an error bar to the dots of its seeds."""


def line_names(frame: pd.DataFrame) -> pd.Series[str]:
    """The line of each row: its method's label without the capacity."""
    methods = frame[["method", *METHOD]].drop_duplicates("method")
    first = methods["method"] == variant_names(methods)  # on the suite's first kind of original, which labels omit
    base = OriginalSpec(1.0, methods["training"][first].iloc[0] if first.any() else "standard")
    names = {
        label: method_label(submission, variant, OriginalSpec(1.0, training), base)
        for label, submission, variant, _, training in methods.to_numpy().tolist()
    }
    return frame["method"].map(names)


def best_lines(frame: pd.DataFrame, variants: Sequence[str] = ("default",)) -> list[str]:
    """The lines with the best means, those on the suite's first kind of original first, and retraining."""
    table = ranking(frame, variants)
    ranked = line_names(table)[table["ranked"]]
    known = [name for name in (RETRAIN,) if name in table["method"].tolist()]
    best = [name for name in dict.fromkeys(ranked) if name not in known][:BEST]
    return [*best, *known]


def curve(trials: pd.DataFrame) -> pd.DataFrame:
    """A table with one row per discovery rate and the columns of a line's points.

    `mean`, `low` and `high`: utility x healed in percent and its t interval over seeds; a failed trial is 0, as in
    maps. `mean` is nan if nothing was run, the ends also with fewer than three seeds or equal ones. `seeds`: a tuple
    with the value of each seed. `failed`, `missing`: whether there are such trials.
    """
    rows = []
    for rate, cell in shown(trials).groupby("discovery_rate"):
        values = 100 * scored(cell, "aggregate").groupby(cell["seed"]).mean().to_numpy()
        states = {name: (cell["state"] == name).any() for name in ("failed", "missing")}
        found = estimate(values)
        ends = {"mean": found.value, "low": np.clip(found.low, 0, 100), "high": np.clip(found.high, 0, 100)}
        rows.append({"rate": rate, **ends, "seeds": tuple(values.tolist()), **states})
    return pd.DataFrame(rows).set_index("rate")


@styled
def rates(frame: pd.DataFrame, lines: Sequence[str]) -> Figure:
    """A column per corruption and a row per capacity; bars are 95% t intervals over seeds, dots the seeds.

    `lines` are names as in `line_names`, in the order of the legend.

    Raises:
        UsageError: a line has no trials, there are more than `MOST_LINES`, or the suite has a single discovery rate.
    """
    frame = frame.assign(line=line_names(frame))
    _check(frame, lines)
    columns, labels = in_order(frame["corruption"]), row_labels(frame["corruption"])
    rows = sorted(frame["capacity"].unique())
    curves = _curves(frame, rows, columns, lines)
    drawn = pd.concat(curves.values())
    handles = _handles(frame, lines, drawn)
    ticks = [100 * rate for rate in drawn.index.unique()]
    width = max(_PANEL[0], _TICK * len(ticks)) * max(2, len(columns)) + 0.7
    across = max(1, int(width / (max(text_width(str(handle.get_label())) for handle in handles) + 0.6)))
    note = wrapped(_note(drawn, frame[frame["line"].isin(lines)]), width - 0.3)
    below = 0.18 * (-(-len(handles) // across) + note.count("\n") + 1)
    figure = Figure(figsize=(width, _PANEL[1] * len(rows) + 0.4 + below), layout="constrained")
    grid = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
    apart = min(_APART, _SPREAD / len(lines))
    for (y, x), axis in np.ndenumerate(grid):
        for index, name in enumerate(lines):
            _draw(axis, curves[rows[y], columns[x], name], index, (index - (len(lines) - 1) / 2) * apart)
        if all(curves[rows[y], columns[x], name]["mean"].isna().all() for name in lines):
            axis.text(0.5, 0.5, "not run", transform=axis.transAxes, ha="center", va="center")
        capacity = f", {100 * rows[y]:g}% capacity" if len(rows) > 1 else ""
        axis.set_title(f"{labels[columns[x]]}{capacity}")
        axis.set(xlim=(ticks[0] - 6, ticks[-1] + 6), ylim=(-5, 105), xticks=ticks)
        axis.set_xlabel(RATE_LABEL if y == len(rows) - 1 else "")
        axis.set_ylabel(f"{PRODUCT} (%)" if x == 0 else "")
        axis.grid(axis="y", color="#dddddd", linewidth=0.5)
        axis.set_axisbelow(True)
        sns.despine(ax=axis)
    legend = {"ncols": across, "title": note, "alignment": "left", "handlelength": 2.8}
    figure.legend(handles=handles, loc="outside lower left", **legend)
    return figure


def _check(frame: pd.DataFrame, lines: Sequence[str]) -> None:
    known = set(frame["line"])
    for name in lines:
        if name not in known:
            raise unknown_method(name, known)
    if not 0 < len(lines) <= MOST_LINES:
        raise UsageError(f"figure 'rates' shows 1 to {MOST_LINES} methods, not {len(lines)}: choose some with --method")
    if frame["discovery_rate"].nunique() < 2:
        raise UsageError("figure 'rates' needs at least two discovery rates, but this board has one")


Key = tuple[float, str, str]


def _curves(
    frame: pd.DataFrame, capacities: Sequence[float], corruptions: Sequence[str], lines: Sequence[str]
) -> dict[Key, pd.DataFrame]:
    """The `curve` of every capacity, corruption and line, each with all rates of the frame."""
    groups = dict(list(frame.groupby(["capacity", "corruption", "line"])))
    every = pd.Index(sorted(frame["discovery_rate"].unique()), name="rate")
    nothing = {"mean": np.nan, "low": np.nan, "high": np.nan, "failed": False, "missing": True}
    curves = {}
    for key in itertools.product(capacities, corruptions, lines):
        known = curve(groups[key]) if key in groups else pd.DataFrame(nothing | {"seeds": None}, index=every)
        filled = known.reindex(every).fillna(nothing).astype({"failed": bool, "missing": bool})
        seeds: list[Any] = filled["seeds"].tolist()
        seeds = [item if isinstance(item, tuple) else () for item in seeds]
        curves[key] = filled.assign(seeds=pd.Series(seeds, index=every, dtype=object))
    return curves


def _look(index: int) -> dict[str, Any]:
    colour, marker, style = _LOOKS[index]
    return {"color": colour, "marker": marker, "linestyle": style, "markersize": 4.5, "linewidth": 1.2}


_DOTS: dict[str, Any] = {"marker": ".", "markersize": 3.5, "markeredgewidth": 0, "linestyle": ""}
_FAILED: dict[str, Any] = {"marker": "x", "markersize": 9, "markeredgewidth": 1.2, "linestyle": ""}
_HOLLOW: dict[str, Any] = {"markerfacecolor": "white", "linestyle": ""}


def _draw(axis: Axes, points: pd.DataFrame, index: int, shift: float) -> None:
    """Draw a line with error bars and marks for failed and missing trials, shifted sideways by `shift` points."""
    moved = axis.transData + ScaledTranslation(shift / 72, 0, axis.figure.dpi_scale_trans)
    x, y = 100 * points.index.to_numpy(dtype=float), points["mean"].to_numpy()
    bars = np.abs(np.stack([points["low"].to_numpy(), points["high"].to_numpy()]) - y)
    axis.errorbar(x, y, bars, capsize=2, elinewidth=0.9, transform=moved, **_look(index))
    if np.isfinite(bars).any():
        seeds: list[Any] = points["seeds"].tolist()
        at = np.repeat(x, [len(values) for values in seeds])
        beside = moved + ScaledTranslation(_BESIDE / 72, 0, axis.figure.dpi_scale_trans)
        axis.plot(at, np.concatenate(seeds), transform=beside, color=_LOOKS[index][0], **_DOTS)
    partly, failed = points["missing"].to_numpy() & ~np.isnan(y), points["failed"].to_numpy()
    axis.plot(x[partly], y[partly], transform=moved, **_look(index) | _HOLLOW)
    axis.plot(x[failed], y[failed], transform=moved, color=_LOOKS[index][0], **_FAILED)


def _handles(frame: pd.DataFrame, lines: Sequence[str], drawn: pd.DataFrame) -> list[Line2D]:
    """The legend: the lines, and the marks that occur."""
    references = set(frame.loc[frame["role"] == REFERENCE, "line"])
    names = [f"{name} (reference)" if name in references else name for name in lines]
    handles = [Line2D([], [], label=name, **_look(index)) for index, name in enumerate(names)]
    if drawn["failed"].any():
        handles.append(Line2D([], [], label="with failed trials (= 0)", color=GREY, **_FAILED))
    if (drawn["missing"] & drawn["mean"].notna()).any():
        handles.append(Line2D([], [], label="some not run", **_look(0) | _HOLLOW | {"color": GREY}))
    return handles


def _note(drawn: pd.DataFrame, frame: pd.DataFrame) -> str:
    """The note on bars, missing bars and gaps."""
    parts = [demonstration(most_seeds(frame))]
    if drawn["low"].notna().any():
        parts.append("Bars: 95% t intervals over seeds, cut off at 0 and 100; dots: the seeds.")
        if (drawn["mean"].notna() & drawn["low"].isna()).any():
            parts.append("No bar where there are fewer than three seeds, or all are equal.")
    if drawn["mean"].isna().any():
        parts.append("A line is broken or absent where nothing was run.")
    return " ".join(part for part in parts if part)
