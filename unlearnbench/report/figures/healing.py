"""Healed on train against healed on test, as Figure 5 of the REM paper (Schoepf et al., arXiv 2505.17730).

docs/protocol.md, section 7, says which trials are left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from unlearnbench.report.figures.style import GREY, styled, wrapped
from unlearnbench.report.frames import (
    LOW_UTILITY_THRESHOLD,
    LowUtility,
    has_low_utility,
    healing_correlation,
    trials_of,
)
from unlearnbench.report.labels import REGULARITY_LABELS

MARKERS = {"high": "o", "medium": "s", "low": "^"}
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
    finished = frame[frame["state"] == "finished"]
    shown = finished[~has_low_utility(finished, low_utility, threshold)]
    table = healing_correlation(frame, low_utility=low_utility, threshold=threshold, by=["regularity"])
    held = "of the original's" if low_utility == "relative" else "absolute"
    caption = f"{len(finished) - len(shown)} of {len(finished)} trials left out: utility under {threshold:.0%} {held}"
    if methods:
        caption = wrapped("Trials of " + ", ".join(methods), _WIDTH - 0.4) + "\n" + caption
    height = _WIDTH + _LINE * (caption.count("\n") + 1 + len(table))
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axis = figure.subplots()
    axis.axline((0, 0), slope=1, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    palette = dict(zip(MARKERS, sns.color_palette("colorblind"), strict=False))
    for row in table.to_dict("records"):
        label = (
            f"r = {_estimate(row, 'pearson')}, \N{GREEK SMALL LETTER RHO} = {_estimate(row, 'spearman')},"
            f" n = {row['trials']}"
        )
        if row["by"] == "overall":
            axis.plot([], [], linestyle="", label=f"All: {label}")
            continue
        name = str(row["name"])
        points = 100 * shown.loc[shown["regularity"] == name, ["healed_train", "healed_test"]]
        axis.scatter(
            points["healed_train"],
            points["healed_test"],
            s=14,
            color=palette[name],
            marker=MARKERS[name],
            alpha=0.6,
            linewidths=0,
            label=f"{REGULARITY_LABELS[name]}: {label}",
        )
    axis.set(xlim=(-2, 102), ylim=(-2, 102), xlabel="Healed, train (%)", ylabel="Healed, test (%)", box_aspect=1)
    sns.despine(ax=axis)
    figure.legend(loc="outside lower left", title=caption, alignment="left", handletextpad=0.3)
    return figure


def _estimate(row: dict[Hashable, Any], name: str) -> str:
    """A correlation with its 95% interval."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    return "undefined" if pd.isna(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"
