"""The plane of measured regularity and discovery rate: how well each method does in it, and which does best where.

Both axes are to scale. A cell reaches halfway to its neighbours, or is as thin as can be seen where there are several
in one place; dots mark where they were measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.statistics import FEWEST_FOR_RANKS
from unlearnbench.report.figures.heatmaps import colour_bar, percentages
from unlearnbench.report.figures.style import GREY, styled, text_width, wrapped
from unlearnbench.report.numbers.board import most_seeds
from unlearnbench.report.numbers.frames import map_of
from unlearnbench.report.numbers.regularity import HOW, amount, values_of
from unlearnbench.report.numbers.winners import winners
from unlearnbench.report.wording import PRODUCT, RATE_LABEL, demonstration

FEWEST_ROWS = 3
"""Corruptions with a measured regularity, under which there is no plane to draw."""
_PANEL = (1.9, 1.5)
_WIDE = (3.4, 3.0)
_ACROSS = 4
_THINNEST = 0.025
"""Share of an axis that a cell has at least, so that corruptions of the same regularity are all seen."""
_HATCH = "////"


@dataclass(frozen=True)
class Grid:
    """The corruptions by rising measured regularity and the rates of a board, and the edges of their cells."""

    corruptions: tuple[str, ...]
    regularities: NDArray[np.float64]
    rates: NDArray[np.float64]

    @property
    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Across in percent, and up."""
        return _edges(100 * self.rates, 100.0), _edges(self.regularities, 1.0)


def has_plane(frame: pd.DataFrame) -> bool:
    """Whether enough was measured to draw it."""
    return len(values_of(frame)) >= FEWEST_ROWS and frame["discovery_rate"].nunique() > 1


def grid_of(frame: pd.DataFrame) -> Grid:
    """The grid of a board.

    Raises:
        UsageError: under `FEWEST_ROWS` corruptions have a measured regularity, or there is only one rate.
    """
    known = values_of(frame)
    if len(known) < FEWEST_ROWS:
        raise UsageError(
            f"the plane needs {FEWEST_ROWS} corruptions with a measured regularity, and this board has {len(known)};"
            f" {HOW}"
        )
    names = sorted(known, key=lambda name: (known[name], name))
    rates = np.sort(frame["discovery_rate"].unique())
    if len(rates) < 2:
        raise UsageError("the plane needs at least two discovery rates, and this board has one")
    return Grid(tuple(names), np.array([known[name] for name in names]), rates)


def _edges(at: NDArray[np.float64], end: float) -> NDArray[np.float64]:
    """Where the cells of these rising numbers from 0 to `end` begin and end: none is thinner than `_THINNEST`."""
    edges, least = np.concatenate([[0.0], (at[1:] + at[:-1]) / 2, [end]]), _THINNEST * end
    for place in range(1, len(at)):
        edges[place] = max(edges[place], edges[place - 1] + least)
    for place in range(len(at) - 1, 0, -1):
        edges[place] = min(edges[place], edges[place + 1] - least)
    return edges


@styled
def plane(frame: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """A panel per method: utility x healed (colour) by discovery rate (across) and measured regularity (up)."""
    grid, scale = grid_of(frame), percentages()
    across = min(_ACROSS, len(methods))
    down = -(-len(methods) // across)
    width = max(_PANEL[0], *(text_width(name) for name in methods))
    note = wrapped(_note(frame, methods), across * width)
    size = (across * (width + 0.2) + 1.3, down * (_PANEL[1] + 0.3) + 0.5 + 0.15 * (note.count("\n") + 1))
    figure = Figure(figsize=size, layout="constrained")
    axes: list[Axes] = list(figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).flat)
    for axis in axes[len(methods) :]:
        axis.set_visible(False)
    for index, (axis, method) in enumerate(zip(axes, methods, strict=False)):
        cells = map_of(frame, "aggregate", method).reindex(index=list(grid.corruptions)).to_numpy(dtype=float)
        axis.pcolormesh(*grid.edges, np.ma.masked_invalid(cells), cmap=scale.colours, norm=scale.norm)
        axis.set_facecolor("#f2f2f2")  # what was not run
        axis.set_title(method)
        _finish(axis, grid, left=index % across == 0, bottom=index + across >= len(methods))
    colour_bar(figure, axes[: len(methods)], scale, f"{PRODUCT} (%)")
    figure.supxlabel(note, x=0.01, ha="left", fontsize="medium")
    return figure


@styled
def who_wins(frame: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Each cell in the colour of the method with the best mean, hatched if another may have rank 1 there."""
    grid = grid_of(frame)
    best = winners(frame[frame["corruption"].isin(grid.corruptions)], methods)
    order = best["method"].value_counts().index.tolist()
    colours = dict(zip(order, sns.color_palette("colorblind" if len(order) <= 10 else "husl", len(order)), strict=True))
    note = wrapped(
        f"Hatched: at 95% confidence another may be the best, or one has under {FEWEST_FOR_RANKS} seeds."
        f" {_note(frame, methods)}",
        5.4,
    )
    figure = Figure(figsize=(6.0, _WIDE[1] + 0.6 + 0.15 * note.count("\n")), layout="constrained")
    axis = figure.subplots()
    across, up = grid.edges
    for cell in best.reset_index().to_dict("records"):
        y, x = grid.corruptions.index(cell["corruption"]), int(np.flatnonzero(grid.rates == cell["discovery_rate"])[0])
        corner, size = (across[x], up[y]), (across[x + 1] - across[x], up[y + 1] - up[y])
        axis.add_patch(Rectangle(corner, *size, facecolor=colours[cell["method"]], linewidth=0))
        if not cell["alone"]:  # a patch of its own, because hatch and edge share a colour
            axis.add_patch(Rectangle(corner, *size, fill=False, hatch=_HATCH, edgecolor="white", linewidth=0))
    _finish(axis, grid, left=True, bottom=True)
    counts = best["method"].value_counts()
    handles: list[Patch] = [
        Patch(facecolor=colours[name], label=f"{name} ({counts[name]} of {len(best)})") for name in order
    ]
    handles.append(Patch(facecolor=GREY, edgecolor="white", hatch=_HATCH, label="not certain"))
    figure.legend(handles=handles, loc="outside right upper", title="Best method", alignment="left")
    figure.supxlabel(note, x=0.01, ha="left", fontsize="medium")
    return figure


def _finish(axis: Axes, grid: Grid, *, left: bool, bottom: bool) -> None:
    """Mark where a panel was measured, and label its outer axes."""
    x, y = np.meshgrid(100 * grid.rates, grid.regularities)
    dots: dict[str, Any] = {"marker": "o", "markersize": 2.2, "linestyle": "", "color": "white"}
    axis.plot(x.ravel(), y.ravel(), markeredgecolor="black", markeredgewidth=0.4, clip_on=False, **dots)
    ticks = [0, *(100 * grid.rates)] if len(grid.rates) <= 4 else np.linspace(0, 100, 5)
    axis.set(xlim=(0, 100), ylim=(0, 1), xticks=ticks, yticks=np.linspace(0, 1, 5))
    axis.set_yticklabels([f"{tick:g}" for tick in np.linspace(0, 1, 5)])
    axis.tick_params(length=2, labelleft=left, labelbottom=bottom)
    axis.set_xlabel(RATE_LABEL if bottom else "")
    axis.set_ylabel("Measured regularity" if left else "")
    sns.despine(ax=axis)


def _note(frame: pd.DataFrame, methods: Sequence[str]) -> str:
    rows = frame[frame["method"].isin(methods)]
    parts = [demonstration(most_seeds(rows)), f"Regularity measured with {amount(frame)}."]
    return " ".join(part for part in parts if part)
