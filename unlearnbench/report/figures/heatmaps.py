"""A heatmap of corruption by discovery rate, the marks on its cells, and the figure around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.transforms import ScaledTranslation

from unlearnbench.report.figures.style import FONT_SIZE, GREY, wrapped
from unlearnbench.report.numbers.board import most_seeds
from unlearnbench.report.numbers.regularity import amount, values_of
from unlearnbench.report.wording import PRODUCT, RATE_LABEL, demonstration, ink_on, row_labels, scale

CELL = (0.29, 0.29)
"""Width and height of a cell in inches; three digits fit."""
ROW_HEIGHT = 0.65
"""Minimum height of a row of maps in inches; the label to its left fits."""
REGULARITY = "Regularity"
_LEGEND_ENTRY = (2.4, 0.18)
"""Width and height in inches."""
_EMPTY, _HATCH = "#f2f2f2", "/////"


@dataclass(frozen=True)
class Scale:
    """The colours and number format of a heatmap."""

    colours: Colormap
    norm: Normalize
    written: Callable[[float], str]


def percentages(decimals: int = 0) -> Scale:
    """The scale of all maps: 0 to 100."""
    return Scale(*scale(), lambda percent: f"{percent:.{decimals}f}")


@dataclass(frozen=True)
class Mark:
    """A mark on a cell: a matplotlib marker, its size in points, and its anchor in shares of the cell."""

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
"""Points from the corner of a cell to the centre of a mark there, clear of the white lines between cells."""


def heatmap(axis: Axes, cells: pd.DataFrame, states: pd.DataFrame, scale: Scale, labels: dict[str, str]) -> None:
    """Draw percentages by corruption and rate, with a mark on every cell that is not `finished`.

    labels: of the rows, by corruption.
    """
    sns.heatmap(
        cells,
        ax=axis,
        cmap=scale.colours,
        vmin=scale.norm.vmin,
        vmax=scale.norm.vmax,
        cbar=False,
        linewidths=0.5,
        linecolor="white",
        xticklabels=False,
        yticklabels=False,
    )
    # Seaborn would rotate labels that overlap before the figure is laid out.
    axis.set_xticks(np.arange(cells.shape[1]) + 0.5, [f"{100 * rate:g}" for rate in cells.columns])
    axis.set_yticks(np.arange(cells.shape[0]) + 0.5, [labels[corruption] for corruption in cells.index])
    values = cells.to_numpy(dtype=float)
    for (y, x), state in np.ndenumerate(states.to_numpy()):
        value = float(values[y, x])
        ink = "black" if np.isnan(value) else ink_on(scale.colours(scale.norm(value))[:3])
        if not np.isnan(value) and state != "failed":
            axis.text(x + 0.5, y + 0.53, scale.written(value), color=ink, ha="center", va="center")
        if np.isnan(value):
            hatch = _HATCH if state == "missing" else None
            axis.add_patch(Rectangle((x, y), 1, 1, facecolor=_EMPTY, edgecolor=GREY, hatch=hatch, linewidth=0))
            # The white line around cells needs its own patch: hatch and edge of one patch share a colour.
            axis.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor="white", linewidth=1.0))
        if state in _MARKS:
            mark = _MARKS[state]
            drawn = _drawn(mark, color=ink, at=(x + mark.right, y + mark.down))
            inward = ((1 - 2 * mark.right) * _INSET / 72, (2 * mark.down - 1) * _INSET / 72)
            drawn.set_transform(axis.transData + ScaledTranslation(*inward, axis.figure.dpi_scale_trans))
            axis.add_artist(drawn)
    for artist in (*axis.texts, *axis.patches, *axis.lines):
        artist.set_in_layout(False)  # inside the panel, so measuring them is a waste of time


def _drawn(mark: Mark, *, color: str, at: tuple[float, float] | None = None, label: str = "") -> Line2D:
    x, y = ([at[0]], [at[1]]) if at else ([], [])
    return Line2D(x, y, color=color, marker=mark.marker, markersize=mark.size, linestyle="", label=label)


def label_axes(axis: Axes, *, left: bool, bottom: bool, rates: str = RATE_LABEL, regularity: str = REGULARITY) -> None:
    """Label the outer axes only: all panels have the same ones."""
    axis.tick_params(length=0, labelleft=left, labelbottom=bottom)
    axis.set(xlabel=rates if bottom else "", ylabel=regularity if left else "")


def regularity_label(frame: pd.DataFrame) -> str:
    """The label of the axis of regularity, with the amount of corruption that measured ones are for."""
    return "\n".join(text for text in (REGULARITY, amount(frame)) if text)


def labels_of(frame: pd.DataFrame) -> dict[str, str]:
    """The labels of the rows of maps of a board's frame."""
    return row_labels(frame["corruption"], measured=values_of(frame))


def colour_bar(figure: Figure, axes: Sequence[Axes], scale: Scale, text: str, aspect: float = 25) -> None:
    """Draw the scale of these axes to their right."""
    shades = ScalarMappable(scale.norm, scale.colours)
    bar = figure.colorbar(shades, ax=list(axes), label=text, aspect=aspect, fraction=0.03, pad=0.02)
    bar.outline.set_visible(False)


def figure_with_legend(width: float, height: float, states: Iterable[pd.DataFrame]) -> Figure:
    """An empty figure of this size in inches, extended by a legend of the marks that occur."""
    zero = f"{PRODUCT.lower()} = 0"
    occurring = {state for table in states for state in table.to_numpy().flat}
    handles: dict[str, Artist] = {
        "failed": _drawn(_MARKS["failed"], color="black", label=f"all failed ({zero})"),
        "partly failed": _drawn(_MARKS["partly failed"], color="black", label=f"some failed ({zero})"),
        "missing": Patch(facecolor=_EMPTY, edgecolor=GREY, hatch=_HATCH, linewidth=0, label="not run"),
        "partly missing": _drawn(_MARKS["partly missing"], color="black", label="some not run"),
    }
    shown = [handle for state, handle in handles.items() if state in occurring]
    columns = max(1, min(len(shown), int(width / _LEGEND_ENTRY[0])))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(width, height + _LEGEND_ENTRY[1] * rows), layout="constrained")
    if shown:
        figure.legend(handles=shown, loc="outside lower center", ncols=columns, handletextpad=0.3)
    return figure


def say_demonstration(figure: Figure, frame: pd.DataFrame) -> None:
    """Extend the figure by the warning above it if there are fewer than three seeds."""
    if text := demonstration(most_seeds(frame)):
        width, height = figure.get_size_inches()
        text = wrapped(text, width - 0.2)
        figure.set_size_inches(width, height + _LEGEND_ENTRY[1] * (1 + text.count("\n")))
        figure.suptitle(text, x=0.01, ha="left", fontsize=FONT_SIZE)
