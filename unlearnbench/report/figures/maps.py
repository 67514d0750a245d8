"""The maps of methods on one scale, and the detail figure of a method."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unlearnbench.report.figures.heatmaps import (
    CELL,
    ROW_HEIGHT,
    colour_bar,
    figure_with_legend,
    heatmap,
    label_axes,
    labels_of,
    percentages,
    regularity_label,
    say_demonstration,
)
from unlearnbench.report.figures.regions import HEIGHT, KEY_WIDTH, TITLE, draw_key, draw_regions
from unlearnbench.report.figures.style import styled, text_width
from unlearnbench.report.numbers.frames import map_of, original_column, states_of, trials_of
from unlearnbench.report.numbers.totals import REFERENCE
from unlearnbench.report.wording import PRODUCT, RATE_LABEL

DETAIL_PANELS = {
    "healed_train": "Healed (train)",
    "healed_undiscovered": "Healed (undiscovered)",
    "healed_test": "Healed (test)",
    "utility": "Utility (test)",
    "aggregate": PRODUCT,
}
_DETAIL_CELL = (0.4, 0.34)
_GAP, _TITLE_HEIGHT, _SCALE_HEIGHT = 0.15, 0.3, 0.87
"""Inches: between panels, of a title, and minimum height of a row so that the colour bar's label fits."""


@styled
def maps(frame: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """(a) The regions that prior work studied, then utility x healed of each method in this order, on one scale.

    As Figure 1 of the REM paper (Schoepf et al., arXiv 2505.17730); docs/protocol.md, section 7.
    """
    across = max(2, _columns(len(methods)))
    down = -(-len(methods) // across)
    titles = [f"({_letter(index)}) {title}" for index, title in enumerate([TITLE, *_titles(frame, methods)])]
    width, height = _panel(frame, titles)
    width = max(width, KEY_WIDTH)
    states = {method: states_of(frame, method) for method in methods}
    size = (across * (width + _GAP) + 1.4, HEIGHT + 0.5 + down * (height + _TITLE_HEIGHT) + 0.5)
    figure = figure_with_legend(*size, states.values())
    say_demonstration(figure, frame[frame["method"].isin(methods)])
    grid = figure.add_gridspec(1 + down, across, height_ratios=[HEIGHT, *[height] * down])
    panel, beside = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1:])
    draw_regions(panel)
    panel.set_title(titles[0])
    label_axes(panel, left=True, bottom=True)
    draw_key(beside, (across - 1) * width)
    axes = [figure.add_subplot(grid[1 + index // across, index % across]) for index in range(len(methods))]
    _draw_maps(figure, frame, states, axes, titles[1:], across)
    return figure


@styled
def map_figure(frame: pd.DataFrame, method: str) -> Figure:
    """The map of one method, on the scale of all maps."""
    titles, states = _titles(frame, [method]), {method: states_of(frame, method)}
    width, height = _panel(frame, titles)
    figure = figure_with_legend(width + _GAP + 1.4, height + _TITLE_HEIGHT + 0.5, states.values())
    say_demonstration(figure, trials_of(frame, method))
    _draw_maps(figure, frame, states, [figure.subplots()], titles, across=1)
    return figure


def _draw_maps(
    figure: Figure,
    frame: pd.DataFrame,
    states: dict[str, pd.DataFrame],
    axes: list[Axes],
    titles: list[str],
    across: int,
) -> None:
    """Draw one method per axis, row by row, and their colour bar."""
    scale, labels, regularity = percentages(), labels_of(frame), regularity_label(frame)
    for index, (axis, method) in enumerate(zip(axes, states, strict=True)):
        heatmap(axis, map_of(frame, "aggregate", method), states[method], scale, labels)
        axis.set_title(titles[index])
        label_axes(axis, left=index % across == 0, bottom=index + across >= len(axes), regularity=regularity)
    colour_bar(figure, axes, scale, f"{PRODUCT} (%)")


def _panel(frame: pd.DataFrame, titles: list[str]) -> tuple[float, float]:
    """Width and height of every map in inches; its cells and the longest title fit."""
    rates, corruptions = frame["discovery_rate"].nunique(), frame["corruption"].nunique()
    longest = max(text_width(title) for title in titles)
    return max(CELL[0] * rates, longest), max(CELL[1] * corruptions, _SCALE_HEIGHT)


def _titles(frame: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    references = set(frame.loc[frame["role"] == REFERENCE, "method"])
    return [f"{method} (reference)" if method in references else method for method in methods]


def _columns(count: int) -> int:
    """Maps per row: at most three, and no more than needed for the same number of rows."""
    return -(-count // -(-count // 3))


def _letter(index: int) -> str:
    """a, b ... z, aa, ab ..."""
    return (_letter(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


@styled
def detail(frame: pd.DataFrame, method: str) -> Figure:
    """Five metrics of a method, each with the original model at rate 0, set off by a line."""
    states = states_of(frame, method)
    rates = f"{RATE_LABEL}; 0 is the original model"
    titles = [f"{method}: {title}" for title in DETAIL_PANELS.values()]
    width = max(_DETAIL_CELL[0] * (states.shape[1] + 1), *(text_width(text) for text in (rates, *titles)))
    height = max(_DETAIL_CELL[1] * states.shape[0], ROW_HEIGHT)
    figure = figure_with_legend(2 * (width + 0.4) + 0.9, 3 * (height + 0.4) + 0.6, [states])
    say_demonstration(figure, trials_of(frame, method))
    axes: list[Axes] = list(figure.subplots(3, 2).flat)
    axes.pop().set_visible(False)
    scale, labels, regularity = percentages(decimals=1), labels_of(frame), regularity_label(frame)
    for index, (axis, metric) in enumerate(zip(axes, DETAIL_PANELS, strict=True)):
        cells = map_of(frame, metric, method)
        # At the original nothing is discovered, so all corrupted samples count as undiscovered.
        metric_of_original = "healed_train" if metric == "healed_undiscovered" else metric
        cells.insert(0, 0.0, original_column(frame, metric_of_original, method))
        original_states = cells[0.0].isna().map({True: "missing", False: "finished"})
        heatmap(axis, cells, pd.concat([original_states, states], axis=1), scale, labels)
        axis.axvline(1, color="black", linewidth=1.5)
        axis.set_title(titles[index])
        label_axes(axis, left=index % 2 == 0, bottom=index >= 3, rates=rates, regularity=regularity)
    colour_bar(figure, axes, scale, "Percent")
    return figure
