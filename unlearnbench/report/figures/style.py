"""What all figures share: style, text measurement, and saving."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from unlearnbench.errors import UsageError
from unlearnbench.report.escaping import printable
from unlearnbench.system.files import replacing

Arguments = ParamSpec("Arguments")

FONT_SIZE = 8.0
"""Points; the same for all text in all figures."""
FONT = "DejaVu Sans"
"""Shipped with matplotlib, so figures are the same on every machine."""
STYLE: dict[Any, Any] = {
    "font.family": FONT,
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "legend.fontsize": FONT_SIZE,
    "legend.title_fontsize": FONT_SIZE,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a title may contain dollar signs
    "svg.hashsalt": "unlearnbench",
    "pdf.fonttype": 42,  # TrueType, as journals require; text in the default Type 3 cannot be searched or edited
}
DOTS_PER_INCH = 150
UNDATED: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
}
"""The formats by suffix, each with the metadata to leave out so that equal figures have equal bytes."""

GREY = "#767676"
"""For everything but data: hatches, diagonals, references."""


def text_width(text: str) -> float:
    """The width of a line of text in inches."""
    font = FontProperties(family=FONT, size=FONT_SIZE)
    return float(text_to_path.get_text_width_height_descent(printable(text), font, ismath=False)[0]) / 72


def wrapped(text: str, width: float) -> str:
    """Wrap text to lines of at most `width` inches, between words."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Decorator: draw with `STYLE` without changing matplotlib's settings."""

    @wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def save(figure: Figure, *paths: Path) -> list[Path]:
    """Write a figure to each path, in the format of its suffix; returns the paths.

    Raises:
        UsageError: a suffix is not in `UNDATED`, or a file cannot be written.
    """
    for path in paths:
        check_suffix(path)
    with matplotlib.rc_context(STYLE):
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            text.set_text(printable(text.get_text()))
        # Lay out once, at one resolution, so that all formats show the same figure.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for path in paths:
            with replacing(path) as part:
                figure.savefig(part, dpi=DOTS_PER_INCH, metadata=UNDATED[path.suffix])
    return list(paths)


def check_suffix(path: Path) -> None:
    """Raise `UsageError` unless the suffix is in `UNDATED`."""
    if path.suffix not in UNDATED:
        raise UsageError(f"{path}: unsupported figure format; end the file name with one of {', '.join(UNDATED)}")
