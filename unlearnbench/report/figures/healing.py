"""Healed on train against healed on test, as Figure 5 of the REM paper (Schoepf et al., arXiv 2505.17730).

docs/protocol.md, section 7, says which trials are left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from unlearnbench.report.board import counted
from unlearnbench.report.figures.style import GREY, styled, wrapped
from unlearnbench.report.frames import (
    LOW_UTILITY_THRESHOLD,
    LowUtility,
    has_low_utility,
    healing_correlation,
    trials_of,
)
from unlearnbench.report.labels import demonstration, row_labels, standing
from unlearnbench.report.tables import correlation_text, seeds_text

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_WIDTH, _LINE = 4.2, 0.17
"""Inches of the figure, and of a line of its legend."""


@styled
def healing_scatter(
    frame: pd.DataFrame,
    low_utility: LowUtility = "relative",
    threshold: float = LOW_UTILITY_THRESHOLD,
    *,
    methods: Sequence[str] = (),
) -> Figure:
    """Healed on train against healed on test, one point a finished trial, low-utility trials left out and counted.

    Of these methods only; of all by default.
    """
    if methods:
        frame = pd.concat([trials_of(frame, method) for method in methods])
    finished = counted(frame)
    finished = finished[finished["state"] == "finished"]
    shown = finished[~has_low_utility(finished, low_utility, threshold)]
    table = healing_correlation(frame, low_utility=low_utility, threshold=threshold, by=["corruption"])
    labels = row_labels(finished["corruption"])
    seeds = finished["seed"].nunique()
    held = "of the original's" if low_utility == "relative" else "absolute"
    caption = f"{len(finished) - len(shown)} of {len(finished)} trials left out: utility under {threshold:.0%} {held}"
    caption += f"\n{standing(seeds) or demonstration(seeds)}"
    if methods:
        caption = wrapped("Trials of " + ", ".join(methods), _WIDTH - 0.4) + "\n" + caption
    height = _WIDTH + _LINE * (caption.count("\n") + 1 + len(table))
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axis = figure.subplots()
    axis.axline((0, 0), slope=1, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    looks = zip(_MARKERS, sns.color_palette("colorblind"), strict=False)
    drawn = dict(zip(labels, itertools.cycle(looks), strict=False))
    for row in table.to_dict("records"):
        label = (
            f"r = {_estimate(row, 'pearson')}, \N{GREEK SMALL LETTER RHO} = {_estimate(row, 'spearman')},"
            f" {seeds_text(row)} seeds, {row['trials']} trials"
        )
        if row["by"] == "overall":
            axis.plot([], [], linestyle="", label=f"All: {label}")
            continue
        name = str(row["name"])
        points = 100 * shown.loc[shown["corruption"] == name, ["healed_train", "healed_test"]]
        marker, colour = drawn[name]
        axis.scatter(
            points["healed_train"],
            points["healed_test"],
            s=14,
            color=colour,
            marker=marker,
            alpha=0.6,
            linewidths=0,
            label=f"{labels[name]}: {label}",
        )
    axis.set(xlim=(-2, 102), ylim=(-2, 102), xlabel="Healed, train (%)", ylabel="Healed, test (%)", box_aspect=1)
    sns.despine(ax=axis)
    figure.legend(loc="outside lower left", title=caption, alignment="left", handletextpad=0.3)
    return figure


def _estimate(row: dict[Hashable, Any], name: str) -> str:
    """A correlation with its 95% interval."""
    return "undefined" if pd.isna(row[name]) else correlation_text(row, name)
