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

from unlearnbench.report.figures.style import GREY, styled, wrapped
from unlearnbench.report.numbers.board import counted, most_seeds
from unlearnbench.report.numbers.frames import (
    LOW_UTILITY_THRESHOLD,
    LowUtility,
    has_low_utility,
    healing_correlation,
    trials_of,
)
from unlearnbench.report.text.tables import correlation_text, seeds_text
from unlearnbench.report.wording import demonstration, row_labels, standing

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_WIDTH, _LINE = 4.7, 0.17
"""Inches: width of the figure, height of a line of its legend."""


@styled
def healing_scatter(
    frame: pd.DataFrame,
    low_utility: LowUtility = "relative",
    threshold: float = LOW_UTILITY_THRESHOLD,
    *,
    methods: Sequence[str] = (),
) -> Figure:
    """Healed on train against healed on test, one point per finished trial of these methods, by default of all.

    Trials with low utility are left out; the caption counts them.
    """
    if methods:
        frame = pd.concat([trials_of(frame, method) for method in methods])
    finished = counted(frame)
    finished = finished[(finished["state"] == "finished") & ~finished["again"]]
    shown = finished[~has_low_utility(finished, low_utility, threshold)]
    table = healing_correlation(frame, low_utility=low_utility, threshold=threshold, by=["corruption"])
    labels = row_labels(finished["corruption"])
    seeds = most_seeds(frame)
    held = "of the original's" if low_utility == "relative" else "absolute"
    caption = f"{len(finished) - len(shown)} of {len(finished)} trials left out: utility under {threshold:.0%} {held}"
    caption += f"\n{standing(seeds) or demonstration(seeds)}"
    if methods:
        caption = wrapped("Trials of " + ", ".join(methods), _WIDTH - 0.4) + "\n" + caption
    entries = {(row["by"], row["name"]): _entry(row, labels) for row in table.to_dict("records")}
    height = _WIDTH + _LINE * sum(text.count("\n") + 1 for text in (caption, *entries.values()))
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axis = figure.subplots()
    axis.axline((0, 0), slope=1, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    looks = zip(_MARKERS, sns.color_palette("colorblind"), strict=False)
    drawn = dict(zip(labels, itertools.cycle(looks), strict=False))
    for (by, name), entry in entries.items():
        if by == "overall":
            axis.plot([], [], linestyle="", label=entry)
            continue
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
            label=entry,
        )
    axis.set(xlim=(-2, 102), ylim=(-2, 102), xlabel="Healed, train (%)", ylabel="Healed, test (%)", box_aspect=1)
    sns.despine(ax=axis)
    figure.legend(loc="outside lower left", title=caption, alignment="left", handletextpad=0.3)
    return figure


def _entry(row: dict[Hashable, Any], labels: dict[str, str]) -> str:
    """The legend's entry for a corruption, or for all."""
    name = "All" if row["by"] == "overall" else labels[row["name"]]
    measured = f"r = {_estimate(row, 'pearson')}, \N{GREEK SMALL LETTER RHO} = {_estimate(row, 'spearman')}"
    return wrapped(
        f"{name}: {measured}, {seeds_text(row)} seeds, {row['trials']}\N{NO-BREAK SPACE}trials", _WIDTH - 0.5
    )


def _estimate(row: dict[Hashable, Any], name: str) -> str:
    """A correlation with its 95% interval, or `undefined`."""
    return "undefined" if pd.isna(row[name]) else correlation_text(row, name)
