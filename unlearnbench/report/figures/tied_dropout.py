"""Methods on standard originals, on originals with tied dropout, and the difference.

As Figure 4 of the REM paper (Schoepf et al., arXiv 2505.17730), which shows REM alone; docs/protocol.md, section 7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from unlearnbench.errors import UsageError
from unlearnbench.report.figures.heatmaps import (
    CELL,
    ROW_HEIGHT,
    Scale,
    colour_bar,
    figure_with_legend,
    heatmap,
    label_axes,
    labels_of,
    percentages,
    regularity_label,
    say_demonstration,
)
from unlearnbench.report.figures.style import styled, text_width
from unlearnbench.report.numbers.board import unknown_method
from unlearnbench.report.numbers.frames import map_of, states_of
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.report.numbers.totals import REFERENCE
from unlearnbench.report.wording import PRODUCT
from unlearnbench.store.labels import METHOD, variant_names

MINUS = "\N{MINUS SIGN}"
TIED = "tied dropout"


@dataclass(frozen=True)
class Pair:
    """A method on both kinds of original at one capacity: its label without the original, and both labels."""

    name: str
    title: str
    standard: str
    tied: str


def tied_pairs(frame: pd.DataFrame) -> list[Pair]:
    """The methods with trials on both kinds of original, one pair per capacity."""
    kinds = frame[["method", *METHOD]].drop_duplicates("method")
    kinds = kinds.assign(name=variant_names(kinds), share=100 * kinds["capacity"])
    several = kinds["share"].nunique() > 1
    pairs = []
    for (name, share), group in kinds.groupby(["name", "share"]):
        on = dict(zip(group["training"], group["method"], strict=True))
        if {"standard", "tied-dropout"} <= set(on):
            title = f"{name}, {share:g}% capacity" if several else str(name)
            pairs.append(Pair(str(name), title, on["standard"], on["tied-dropout"]))
    return pairs


def choose_pairs(frame: pd.DataFrame, names: Sequence[str] = ()) -> list[Pair]:
    """The pairs of these methods, named without originals, in this order; default: all but references, best first.

    Raises:
        UsageError: there are none, a method is unknown, or it has trials on one kind of original only.
    """
    pairs = tied_pairs(frame)
    known = set(variant_names(frame.drop_duplicates("method")))
    for name in names:
        if name not in known:
            raise unknown_method(name, known)
        if name not in {pair.name for pair in pairs}:
            both = f"; methods with both: {', '.join(dict.fromkeys(pair.name for pair in pairs))}" if pairs else ""
            raise UsageError(f"method '{name}' was not run on both standard originals and tied dropout{both or _NONE}")
    chosen = [pair for name in names for pair in pairs if pair.name == name] if names else ranked_pairs(frame)
    if not chosen:
        raise UsageError(f"no method was run on both standard originals and tied dropout{_NONE}")
    return chosen


def ranked_pairs(frame: pd.DataFrame) -> list[Pair]:
    """The pairs of all methods but references, best first; empty if the suite has one kind of original."""
    table, pairs = ranking(frame), tied_pairs(frame)
    names = dict.fromkeys(variant_names(table[table["role"] != REFERENCE]))
    return [pair for name in names for pair in pairs if pair.name == name]


_NONE = "; run a suite with both in originals.trainings, such as suites/digits-originals.toml"


def difference(frame: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    """Utility x healed with tied dropout minus without, in points, shaped as `map_of`; nan if either is missing."""
    return map_of(frame, "aggregate", pair.tied) - map_of(frame, "aggregate", pair.standard)


def states_of_difference(frame: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    """The states of a difference, in the form of `states_of`: the worse of both sides."""
    standard, tied = states_of(frame, pair.standard), states_of(frame, pair.tied)
    return standard.combine(tied, lambda left, right: left.combine(right, _worse))


def _worse(left: str, right: str) -> str:
    both = {left, right}
    if "missing" in both or both == {"failed"}:
        return "missing" if "missing" in both else "failed"
    if both & {"failed", "partly failed"}:
        return "partly failed"
    return "partly missing" if "partly missing" in both else "finished"


def differences(*tables: pd.DataFrame) -> Scale:
    """A diverging scale in points, symmetric about zero, that covers all differences, rounded up to tens.

    Numbers are rounded_with_sign, so that they can be read without colour.
    """
    largest = max([10.0, *(np.nanmax(np.abs(table.to_numpy(dtype=float)), initial=0.0) for table in tables)])
    limit = 10.0 * math.ceil(largest / 10)
    shades = sns.diverging_palette(260, 35, s=90, l=45, as_cmap=True)
    return Scale(shades, Normalize(-limit, limit, clip=True), rounded_with_sign)


def rounded_with_sign(points: float) -> str:
    """Format a rounded number with its sign; 0 has none."""
    number = f"{points:+.0f}".replace("-", MINUS)
    return "0" if number.endswith(("+0", f"{MINUS}0")) else number


@styled
def tied_dropout(frame: pd.DataFrame, pairs: Sequence[Pair]) -> Figure:
    """A row per pair: standard, tied dropout, and the difference on its own scale."""
    titles = [[f"{pair.title}: standard", f"{pair.title}: {TIED}", f"{TIED} {MINUS} standard"] for pair in pairs]
    cells = [
        [map_of(frame, "aggregate", pair.standard), map_of(frame, "aggregate", pair.tied), difference(frame, pair)]
        for pair in pairs
    ]
    states = [
        [states_of(frame, pair.standard), states_of(frame, pair.tied), states_of_difference(frame, pair)]
        for pair in pairs
    ]
    scales = [percentages(), percentages(), differences(*(row[2] for row in cells))]

    rows, columns = states[0][0].shape
    width = max(CELL[0] * columns, *(text_width(title) for row in titles for title in row))
    height = max(CELL[1] * rows, ROW_HEIGHT if len(pairs) > 1 else 1.2)  # so that the labels of the colour bars fit
    size = (3 * (width + 0.15) + 2.2, len(pairs) * (height + 0.3) + 0.5)
    figure = figure_with_legend(*size, [table for row in states for table in row])
    names = [name for pair in pairs for name in (pair.standard, pair.tied)]
    say_demonstration(figure, frame[frame["method"].isin(names)])
    grid = figure.subplots(len(pairs), 3, squeeze=False)
    for (y, x), axis in [((y, x), grid[y, x]) for y in range(len(pairs)) for x in range(3)]:
        heatmap(axis, cells[y][x], states[y][x], scales[x], labels_of(frame))
        axis.set_title(titles[y][x])
        label_axes(axis, left=x == 0, bottom=y == len(pairs) - 1, regularity=regularity_label(frame))
    percent: list[Axes] = list(grid[:, :2].flat)
    colour_bar(figure, percent, scales[0], f"{PRODUCT} (%)")
    colour_bar(figure, list(grid[:, 2]), scales[2], "Difference (points)")
    return figure
