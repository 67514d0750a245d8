"""Measured regularity against the number of corrupted samples that were left in (docs/protocol.md, section 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from unlearnbench.errors import UsageError
from unlearnbench.report.figures.style import GREY, styled, wrapped
from unlearnbench.report.numbers.board import counted
from unlearnbench.report.numbers.regularity import HOW, RATE, points, values_of
from unlearnbench.report.numbers.totals import RETRAIN
from unlearnbench.report.wording import demonstration, in_order

_SIZE = (6.4, 3.4)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
_APART, _BESIDE = 0.005, 0.002
"""Shares of the width: between lines at one place, and from an error bar to the dots of its seeds."""


@styled
def regularity_curve(frame: pd.DataFrame) -> Figure:
    """A line per corruption: the share of D_f to which retraining gives the corrupted label, by how many are left in.

    Raises:
        UsageError: the board has no trials of retraining.
    """
    found = points(frame)
    if not found:
        raise UsageError(f"figure 'regularity' needs trials of '{RETRAIN}', and this board has none; {HOW}")
    names = in_order((point.corruption for point in found), values_of(frame))
    most = max(point.corrupted for point in found)
    note = wrapped(_note(frame), _SIZE[0] - 0.2)
    figure = Figure(figsize=(_SIZE[0], _SIZE[1] + 0.15 * (1 + note.count("\n"))), layout="constrained")
    axis = figure.subplots()
    colours = sns.color_palette("colorblind" if len(names) <= 10 else "husl", len(names))
    for index, name in enumerate(names):
        line = [point for point in found if point.corruption == name]
        shift = (index - (len(names) - 1) / 2) * _APART * most
        x, y = np.array([point.left + shift for point in line]), np.array([point.share.value for point in line])
        ends = np.array([[point.share.low, point.share.high] for point in line]).T
        look: dict[str, Any] = {"color": colours[index], "marker": _MARKERS[index % len(_MARKERS)], "markersize": 4}
        axis.errorbar(x, y, np.abs(ends - y), capsize=2, linewidth=1.1, elinewidth=0.8, label=name, **look)
        if np.isfinite(ends).any():
            for point in line:
                beside = np.full(len(point.shares), point.left + shift + _BESIDE * most)
                axis.plot(
                    beside, list(point.shares.values()), color=colours[index], marker=".", markersize=3, linestyle=""
                )
    at = most - max(1, round(RATE * most))
    axis.axvline(at, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    axis.set(xlim=(-0.02 * most, 1.02 * most), ylim=(-0.03, 1.03))
    axis.set(xlabel="Corrupted samples left in", ylabel="Share of D_f that gets its wrong label")
    axis.grid(axis="y", color="#dddddd", linewidth=0.5)
    axis.set_axisbelow(True)
    sns.despine(ax=axis)
    figure.legend(loc="outside right upper", title="Corruption", alignment="left")
    figure.supxlabel(note, x=0.01, ha="left", fontsize="medium")
    return figure


def _note(frame: pd.DataFrame) -> str:
    seeds = int(counted(frame[frame["method"] == RETRAIN])["seed"].nunique())
    bars = "Bars: the wider of the 95% t interval over seeds and Wilson's over samples; dots: the seeds."
    dashed = f"Dashed: {RATE:.0%} discovery, where measured regularity is read. Without any left in: the base rate."
    return " ".join(text for text in (demonstration(seeds), dashed, bars if seeds > 2 else "") if text)
