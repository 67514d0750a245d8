"""The regions of the plane of regularity and discovery rate that prior work studied.

As panel (a) of Figure 1 of the REM paper (Schoepf et al., arXiv 2505.17730). Nothing is measured: `PRIOR_WORK` lists
the regions by the problems that each paper evaluates on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from unlearnbench.report.figures.heatmaps import CELL, label_axes
from unlearnbench.report.figures.style import styled, wrapped
from unlearnbench.report.wording import REGULARITY_LABELS

TITLE = "Regions studied by prior work"


@dataclass(frozen=True)
class Region:
    """A region: its regularities, its range of discovery rates in percent, and the papers that studied it."""

    label: str
    what: str
    regularities: tuple[str, ...]
    rates: tuple[int, int]
    sources: dict[str, str]
    """arXiv number by authors and year."""


PRIOR_WORK = (
    Region(
        "Privacy",
        "SCRUB, SalUn and Bad Teacher, given the complete forget set",
        ("high", "medium", "low"),
        (100, 100),
        {
            "Kurmanji 2023": "arXiv 2302.09880",
            "Fan 2024": "arXiv 2310.12508",
            "Chundawat 2023": "arXiv 2205.08096",
        },
    ),
    Region(
        "Corrective",
        "a trigger or swapped classes, partly discovered",
        ("high", "medium"),
        (10, 100),
        {"Goel 2024": "arXiv 2402.14015"},
    ),
    Region(
        "SSD, Potion",
        "a trigger, at every rate",
        ("high",),
        (10, 100),
        {"Foster 2024": "arXiv 2308.07707", "Schoepf 2024": "arXiv 2406.09173"},
    ),
    Region(
        "ETD, SAP",
        "random labels, at every rate: they use no forget set",
        ("low",),
        (10, 100),
        {"Maini 2023": "arXiv 2307.09542", "Kodge 2024": "arXiv 2403.08618"},
    ),
)

_RATES = range(10, 101, 10)
_LOOKS = (("#000000", "||", "-"), ("#0072b2", "///", "--"), ("#b34700", "\\\\\\", "-."), ("#00664b", "...", ":"))
"""Colour, hatch and outline of each region, distinguishable without colour."""
_INSETS = (0.0, 0.05, 0.13, 0.05)
"""Inset of each region's outline, in rows, so that outlines with a common side stay apart."""
_HANDLE = 0.5
"""Inches of a patch in the key and the space beside it."""
HEIGHT = 1.3
"""Height of the panel in inches; the key fits beside it."""
KEY_WIDTH = 2.9
"""Minimum width of the key in inches."""


@styled
def regions() -> Figure:
    """The panel alone, with its key."""
    width = CELL[0] * len(_RATES)
    figure = Figure(figsize=(width + 0.6 + KEY_WIDTH, HEIGHT + 0.6), layout="constrained")
    panel, beside = figure.subplots(1, 2, width_ratios=[width, KEY_WIDTH])
    draw_regions(panel)
    panel.set_title(TITLE)
    label_axes(panel, left=True, bottom=True)
    draw_key(beside, KEY_WIDTH)
    return figure


def draw_regions(axis: Axes) -> None:
    """Draw the regions over the axes of a map with discovery rates 10%, 20% ... 100%."""
    rows = list(REGULARITY_LABELS)
    for index, (region, inset) in enumerate(zip(PRIOR_WORK, _INSETS, strict=True)):
        top = min(rows.index(name) for name in region.regularities)
        bottom = max(rows.index(name) for name in region.regularities) + 1
        left, right = (_RATES.index(rate) for rate in region.rates)
        margin = inset * HEIGHT / len(rows) / CELL[0]  # the same in inches
        corner, size = (left + margin, top + inset), (right + 1 - left - 2 * margin, bottom - top - 2 * inset)
        for look in _layers(index):
            axis.add_patch(Rectangle(corner, *size, clip_on=False, **look))
        narrow = left == right
        axis.text(
            (left + right + 1) / 2,
            (top + bottom) / 2 if narrow else bottom - 0.5,
            region.label,
            rotation=90 if narrow else 0,
            ha="center",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )
    axis.spines[:].set_visible(False)
    axis.set(xlim=(0, len(_RATES)), ylim=(len(rows), 0))
    axis.set_xticks([column + 0.5 for column in range(len(_RATES))], [str(rate) for rate in _RATES])
    axis.set_yticks([row + 0.5 for row in range(len(rows))], [REGULARITY_LABELS[name] for name in rows])


def _layers(index: int) -> list[dict[str, Any]]:
    """A region's shade, hatch and outline, as separate patches.

    In a single patch, the hatch would get the shade's transparency in SVG and the outline's dashes in PDF.
    """
    colour, hatch, line = _LOOKS[index]
    return [
        {"facecolor": colour, "alpha": 0.12, "linewidth": 0},
        {"facecolor": "none", "edgecolor": colour, "hatch": hatch, "linewidth": 0},
        {"facecolor": "none", "edgecolor": colour, "linestyle": line, "linewidth": 1.2},
    ]


def draw_key(axis: Axes, width: float) -> None:
    """Draw the key of the regions with their sources, in a panel of this width in inches."""
    handles = [tuple(Patch(**look) for look in _layers(index)) for index in range(len(PRIOR_WORK))]
    texts = []
    for region in PRIOR_WORK:
        sources = ", ".join(source.replace(" ", "\N{NO-BREAK SPACE}") for source in region.sources)
        texts.append(wrapped(f"{region.label}: {region.what} ({sources})", width - _HANDLE))
    axis.set_axis_off()
    key = axis.legend(handles, texts, loc="center left", borderaxespad=0, borderpad=0, labelspacing=0.5)
    key.set_in_layout(False)  # it may fill its panel, but must not move others
