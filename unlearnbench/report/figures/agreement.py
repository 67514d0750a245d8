"""How far boards agree on methods: rank correlations by corruption, and the places of each method."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unlearnbench.report.figures.style import GREY, styled, wrapped
from unlearnbench.report.numbers.comparison import ALL
from unlearnbench.report.wording import row_labels

NOTE = (
    "Left: Spearman's rank correlation of the methods' scores on two boards; bars are 95% intervals that resample"
    " methods. Right: the place of each method by its score over all corruptions; lines that move by a third of the"
    " field or more are in colour."
)
_WIDTH, _LINE = 7.0, 0.17
"""Inches: width of the figure, height of a method's line."""


@styled
def agreement_figure(correlations: pd.DataFrame, places: pd.DataFrame) -> Figure:
    """Draw `numbers.agreement.agreement` and `numbers.agreement.places`."""
    note = wrapped(NOTE, _WIDTH - 0.3)
    height = max(2.4, _LINE * len(places) + 1.0) + _LINE * note.count("\n")
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
    _draw_correlations(left, correlations)
    _draw_places(right, places)
    figure.legend(handles=[], loc="outside lower left", title=note, alignment="left")
    return figure


def _draw_correlations(axis: Axes, correlations: pd.DataFrame) -> None:
    corruptions = correlations["corruption"].unique().tolist()
    labels = {ALL: "All"} | row_labels(name for name in corruptions if name != ALL)
    pairs, colours = correlations.groupby(["first", "second"], sort=False), sns.color_palette("colorblind")
    for index, ((first, second), rows) in enumerate(pairs):
        colour = colours[index % len(colours)]
        at = np.arange(len(rows)) + 0.2 * (index - (len(pairs) - 1) / 2)
        rho = rows["spearman"].to_numpy()
        bars = np.abs(rows[["spearman_low", "spearman_high"]].to_numpy().T - rho)
        axis.errorbar(rho, at, xerr=bars, fmt="o", markersize=3.5, capsize=2, color=colour, label=f"{first}, {second}")
    axis.axvline(0, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    axis.set(xlim=(-1.05, 1.05), xlabel="Rank correlation", yticks=range(len(corruptions)))
    axis.set_yticklabels([labels[name] for name in corruptions])
    axis.invert_yaxis()
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
    sns.despine(ax=axis)


def _draw_places(axis: Axes, places: pd.DataFrame) -> None:
    boards = [name for name in places.columns if name != "moved"]
    far = places["moved"] >= len(places) / 3
    colours, end = iter(sns.color_palette("colorblind", int(far.sum()))), len(boards) - 1
    for row, moves in zip(places.reset_index().to_dict("records"), far, strict=True):
        colour = next(colours) if moves else GREY
        line = [row[board] for board in boards]
        axis.plot(range(len(boards)), line, color=colour, marker="o", markersize=3.5, linewidth=1.2)
        axis.annotate(row["method"], (end, line[-1]), (6, 0), textcoords="offset points", va="center", color=colour)
    axis.set(xticks=range(len(boards)), ylabel="Place", yticks=[1, *range(5, len(places) + 1, 5)])
    axis.set_xlim(-0.1, len(boards) - 0.5)
    axis.set_xticklabels(boards)
    axis.invert_yaxis()
    sns.despine(ax=axis)
