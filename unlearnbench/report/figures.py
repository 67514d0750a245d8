"""The figures: maps of all methods on one scale, the detail sheet of a method, healing on train against test.

Figures are made without pyplot, so nothing stays open, and are the same bytes for the same frame.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.transforms import ScaledTranslation

from unlearnbench.report.frames import (
    LOW_UTILITY_THRESHOLD,
    REFERENCE,
    LowUtility,
    has_low_utility,
    healing_correlation,
    map_of,
    original_column,
    states_of,
)
from unlearnbench.report.labels import PRODUCT, RATE_LABEL, REGULARITY_LABELS, ink_on

Arguments = ParamSpec("Arguments")

FONT_SIZE = 8.0
"""Points, of every text in every figure."""
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "legend.fontsize": FONT_SIZE,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "unlearnbench",
}
DOTS_PER_INCH = 150
SCALE = Normalize(0, 100, clip=True)
MARKERS = {"high": "o", "medium": "s", "low": "^"}
DETAIL_PANELS = {
    "healed_train": "Healed (train)",
    "healed_test": "Healed (test)",
    "utility": "Utility (test)",
    "aggregate": PRODUCT,
}

_MAP_CELL = (0.29, 0.29)
"""Width and height in inches: three digits fit."""
_DETAIL_CELL = (0.4, 0.34)
_TITLE_WIDTH, _LABEL_WIDTH, _SCALE_HEIGHT = 1.4, 2.5, 0.87
"""Inches that a panel has at least: for its title, for the label below, for that of the colour bar."""
_LEGEND_WIDTH, _LEGEND_HEIGHT = 2.4, 0.18
"""Inches of an entry of the legend."""
_EMPTY, _MARK, _HATCH = "#f2f2f2", "#8a8a8a", "/////"


@dataclass(frozen=True)
class Mark:
    """A sign on a cell: a matplotlib marker, its size in points, and where in the cell it is anchored (shares)."""

    marker: MarkerStyle
    size: float
    right: float
    down: float


_MARKS = {
    "failed": Mark(MarkerStyle("x"), 7, 0.5, 0.5),
    "partly failed": Mark(MarkerStyle(Outline([(1, 1), (-1, 1), (1, -1), (1, 1)])), 4, 1, 0),
    "partly missing": Mark(MarkerStyle(Outline([(-1, -1), (1, -1), (-1, 1), (-1, -1)])), 4, 0, 1),
}
_INSET = 4.2
"""Points from the corner of a cell to the middle of a mark there: clear of the white lines between cells."""


def colours() -> Colormap:
    """Sequential, darker is better, monotone in lightness: it reads the same in grey."""
    return sns.color_palette("mako_r", as_cmap=True)


def cell_colours(percent: float) -> tuple[str, str]:
    """Background of a cell and the colour of a text that can be read on it, as #rrggbb."""
    background = colours()(SCALE(percent))
    return to_hex(background), ink_on(background[:3])


def _styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Draw with `STYLE`, and leave matplotlib's settings as they were."""

    @wraps(draw)
    def styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


@_styled
def maps(frame: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """The sheet: utility x healed of each method in this order, one scale for all, with a legend of its marks."""
    across = _columns(len(methods))
    down = -(-len(methods) // across)
    rates, regularities = frame["discovery_rate"].nunique(), frame["regularity"].nunique()
    width, height = max(_MAP_CELL[0] * rates, _TITLE_WIDTH), max(_MAP_CELL[1] * regularities, _SCALE_HEIGHT)
    states = {method: states_of(frame, method) for method in methods}
    figure = _figure(across * (width + 0.15) + 1.4, down * (height + 0.3) + 0.5, states.values())
    grid = figure.subplots(down, across, squeeze=False)
    axes: list[Axes] = list(grid.flat)
    references = set(frame.loc[frame["role"] == REFERENCE, "method"])
    for index, (axis, method) in enumerate(zip(axes, methods, strict=False)):
        cells = map_of(frame, "aggregate", method)
        _heatmap(axis, cells, states[method], decimals=0)
        axis.set_title(f"{method} (reference)" if method in references else method)
        _label(axis, left=index % across == 0, bottom=index + across >= len(methods))
    for axis in axes[len(methods) :]:
        axis.remove()
    _colour_bar(figure, axes[: len(methods)], f"{PRODUCT} (%)")
    return figure


def map_figure(frame: pd.DataFrame, method: str) -> Figure:
    """The map of a single method, on the scale of all maps."""
    return maps(frame, [method])


def _columns(count: int) -> int:
    """Maps beside each other: at most three, and no more than needed for the same number of rows."""
    return -(-count // -(-count // 3))


@_styled
def detail(frame: pd.DataFrame, method: str) -> Figure:
    """The detail sheet of a method: four metrics, each with the original model at rate 0 set off by a line."""
    states = states_of(frame, method)
    width, height = _DETAIL_CELL[0] * (states.shape[1] + 1), _DETAIL_CELL[1] * states.shape[0]
    figure = _figure(2 * (max(width, _LABEL_WIDTH) + 0.4) + 0.9, 2 * (height + 0.4) + 0.6, [states])
    axes: list[Axes] = list(figure.subplots(2, 2).flat)
    for index, (axis, (metric, title)) in enumerate(zip(axes, DETAIL_PANELS.items(), strict=True)):
        cells = map_of(frame, metric, method)
        cells.insert(0, 0.0, original_column(frame, metric, method))
        original_states = cells[0.0].isna().map({True: "missing", False: "finished"})
        _heatmap(axis, cells, pd.concat([original_states, states], axis=1), decimals=1)
        axis.axvline(1, color="black", linewidth=1.5)
        axis.set_title(f"{method}: {title}")
        _label(axis, left=index % 2 == 0, bottom=index >= 2, rates=f"{RATE_LABEL}; 0 is the original model")
    _colour_bar(figure, axes, "Percent")
    return figure


def _label(axis: Axes, *, left: bool, bottom: bool, rates: str = RATE_LABEL) -> None:
    """Label the outer sides only: all panels have the same axes."""
    axis.tick_params(length=0, labelleft=left, labelbottom=bottom)
    axis.set(xlabel=rates if bottom else "", ylabel="Regularity" if left else "")


def _heatmap(axis: Axes, cells: pd.DataFrame, states: pd.DataFrame, *, decimals: int) -> None:
    """Draw percentages by regularity and rate, with a mark on every cell that is not `finished`."""
    sns.heatmap(
        cells,
        ax=axis,
        cmap=colours(),
        vmin=SCALE.vmin,
        vmax=SCALE.vmax,
        cbar=False,
        linewidths=0.5,
        linecolor="white",
        xticklabels=[f"{100 * rate:g}" for rate in cells.columns],
        yticklabels=[REGULARITY_LABELS[regularity] for regularity in cells.index],
    )
    axis.tick_params(axis="y", rotation=0)
    values = cells.to_numpy(dtype=float)
    for (y, x), state in np.ndenumerate(states.to_numpy()):
        value = float(values[y, x])
        ink = "black" if np.isnan(value) else cell_colours(value)[1]
        if not np.isnan(value) and state != "failed":
            axis.text(x + 0.5, y + 0.53, f"{value:.{decimals}f}", color=ink, ha="center", va="center")
        if np.isnan(value):
            hatch = _HATCH if state == "missing" else None
            axis.add_patch(Rectangle((x, y), 1, 1, facecolor=_EMPTY, edgecolor=_MARK, hatch=hatch, linewidth=0))
            # Over the patch, as the line that every other cell has: a patch has one colour for hatch and edge.
            axis.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor="white", linewidth=1.0))
        if state in _MARKS:
            mark = _MARKS[state]
            drawn = _drawn(mark, color=ink, at=(x + mark.right, y + mark.down))
            inward = ((1 - 2 * mark.right) * _INSET / 72, (2 * mark.down - 1) * _INSET / 72)
            drawn.set_transform(axis.transData + ScaledTranslation(*inward, axis.figure.dpi_scale_trans))
            axis.add_artist(drawn)
    for artist in (*axis.texts, *axis.patches, *axis.lines):
        artist.set_in_layout(False)  # inside the panel: measuring them would only take time


def _drawn(mark: Mark, *, color: str, at: tuple[float, float] | None = None, label: str = "") -> Line2D:
    x, y = ([at[0]], [at[1]]) if at else ([], [])
    return Line2D(x, y, color=color, marker=mark.marker, markersize=mark.size, linestyle="", label=label)


def _colour_bar(figure: Figure, axes: list[Axes], label: str) -> None:
    bar = figure.colorbar(ScalarMappable(SCALE, colours()), ax=axes, label=label, aspect=25, fraction=0.03, pad=0.02)
    bar.outline.set_visible(False)


def _figure(width: float, height: float, states: Iterable[pd.DataFrame]) -> Figure:
    """An empty figure, in inches, with a legend of the marks that occur below."""
    zero = f"{PRODUCT.lower()} = 0"
    occurring = {state for table in states for state in table.to_numpy().flat}
    handles: dict[str, Artist] = {
        "failed": _drawn(_MARKS["failed"], color="black", label=f"all failed ({zero})"),
        "partly failed": _drawn(_MARKS["partly failed"], color="black", label=f"some failed ({zero})"),
        "missing": Patch(facecolor=_EMPTY, edgecolor=_MARK, hatch=_HATCH, linewidth=0, label="not run"),
        "partly missing": _drawn(_MARKS["partly missing"], color="black", label="some not run"),
    }
    shown = [handle for state, handle in handles.items() if state in occurring]
    columns = max(1, min(len(shown), int(width / _LEGEND_WIDTH)))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(width, height + _LEGEND_HEIGHT * rows), layout="constrained")
    if shown:
        figure.legend(handles=shown, loc="outside lower center", ncols=columns, handletextpad=0.3)
    return figure


@_styled
def healing_scatter(
    frame: pd.DataFrame, low_utility: LowUtility = "relative", threshold: float = LOW_UTILITY_THRESHOLD
) -> Figure:
    """Healed on train against healed on test, one point a finished trial, low-utility trials left out and counted."""
    finished = frame[frame["state"] == "finished"]
    shown = finished[~has_low_utility(finished, low_utility, threshold)]
    table = healing_correlation(frame, low_utility=low_utility, threshold=threshold, by=["regularity"])
    figure = Figure(figsize=(4.2, 5.0), layout="constrained")
    axis = figure.subplots()
    axis.axline((0, 0), slope=1, color=_MARK, linewidth=0.8, linestyle="--", zorder=0)
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
    held = "of the original's" if low_utility == "relative" else "absolute"
    caption = f"{len(finished) - len(shown)} of {len(finished)} trials left out: utility under {threshold:.0%} {held}"
    figure.legend(loc="outside lower left", title=caption, alignment="left", handletextpad=0.3)
    return figure


def _estimate(row: dict[Hashable, Any], name: str) -> str:
    """A correlation with its 95% interval."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    return "undefined" if pd.isna(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def save(figure: Figure, path_stem: Path) -> list[Path]:
    """Write `path_stem`.png and .svg; a figure of the same frame gives the same bytes."""
    paths = [path_stem.parent / f"{path_stem.name}.{kind}" for kind in ("png", "svg")]
    with matplotlib.rc_context(STYLE):
        figure.savefig(paths[0], dpi=DOTS_PER_INCH, metadata={"Software": None})
        figure.set_layout_engine("none")  # laid out by now: once is enough
        figure.savefig(paths[1], metadata={"Date": None})
    return paths
