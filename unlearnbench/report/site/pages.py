"""Render the content: HTML from templates with autoescaping."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from unlearnbench.report.escaping import printable
from unlearnbench.report.numbers.budget import MARKED
from unlearnbench.report.site.content import Cell, Content, Method
from unlearnbench.report.site.data import NAMES
from unlearnbench.report.text.tables import clipped, correlation_text, rank_text, seeds_text
from unlearnbench.report.wording import KNEW, OWN, PRODUCT, UNTUNED, cell_colours

NO_VALUE = "\N{EN DASH}"
CELL_CLASSES = {"failed": "x", "partly failed": "pf", "missing": "m", "partly missing": "pm"}
"""CSS classes of the marks on cells."""
CELL_WORDS = {
    "failed": "all failed",
    "partly failed": "some failed",
    "missing": "not run",
    "partly missing": "some not run",
}
RAMP = range(0, 101, 5)
"""Percentages of the colour stops in the legend."""
PAPER = "https://arxiv.org/abs/2505.17730"
"""The paper whose plane of regularity and discovery rate the maps show."""


def render(boards: Sequence[Content], repository: str = "") -> dict[str, str]:
    """The pages by their path in the folder of the site.

    repository: address of the code, to which pages then link.
    """
    environment = _environment()
    common: dict[str, Any] = {
        "boards": boards,
        "repository": repository.rstrip("/"),
        "paper": PAPER,
        "metrics": NAMES,
        "product": PRODUCT,
        "untuned": UNTUNED,
        "marked": MARKED,
        "own": OWN,
        "knew": KNEW,
        "states": CELL_WORDS,
        "classes": CELL_CLASSES,
    }
    texts = {
        "index.html": environment.get_template("site.html").render(common, page="index.html", root=""),
        "reading.html": environment.get_template("reading.html").render(
            common, page="reading.html", root="", content=boards[0], example=example(boards[0])
        ),
    }
    for shown in boards:
        values = common | {"content": shown, "root": "../"}
        for name in ("index.html", "compare.html", "provenance.html"):
            template = environment.get_template("board.html" if name == "index.html" else name)
            texts[f"{shown.suite}/{name}"] = template.render(values, page=f"board/{name}")
        template = environment.get_template("method.html")
        texts |= {
            f"{shown.suite}/{method.page}": template.render(values, page="method", method=method)
            for method in shown.methods
        }
    return texts


def scale() -> str:
    """The style sheet of the colour scale: a class per whole percentage, and the legend's gradient."""
    rules = []
    for percent in range(101):
        background, ink = cell_colours(percent)
        rules.append(f".s{percent}{{background-color:{background};color:{ink}}}")
    stops = ",".join(cell_colours(percent)[0] for percent in RAMP)
    return "\n".join([*rules, f".ramp{{background-image:linear-gradient(to right,{stops})}}", ""])


def example(shown: Content) -> tuple[Method, Cell, Cell] | None:
    """The first method with two unequal finished cells, with its best and its worst one; None if there is none."""
    for method in shown.methods:
        cells = [cell for row in method.cells for cell in row if cell.state == "finished"]
        cells.sort(key=lambda cell: cell.values["aggregate"])
        if cells and cells[0].values["aggregate"] < cells[-1].values["aggregate"]:
            return method, cells[-1], cells[0]
    return None


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": number,
        "interval": interval,
        "shade": shade,
        "sortable": sortable,
        "moment": moment,
        "web": web,
        "missing": pd.isna,
        "breakable": breakable,
        "rank": rank_text,
        "correlation": correlation_text,
        "seeds": seeds_text,
        "clip": lambda value: min(max(value, 0.0), 100.0),
        "counted": counted,
    }
    return environment


def _shown(value: Any) -> Any:
    """What an expression of a template puts into a page, before it is escaped."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 seed`, `10 seeds`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def number(value: float, decimals: int = 1) -> str:
    return NO_VALUE if pd.isna(value) else f"{value:,.{decimals}f}"


def interval(low: float, high: float) -> str:
    """Both ends, clipped to 0 and 100; empty if there is no interval."""
    return "" if pd.isna(low) else "[{:.1f}, {:.1f}]".format(*clipped(low, high))


def shade(percent: float) -> int:
    """The class of the colour scale: the percentage rounded as in maps."""
    return int(f"{min(max(percent, 0.0), 100.0):.0f}")


def sortable(value: float) -> str:
    """A number for sorting; empty if missing."""
    return "" if pd.isna(value) else f"{value:.6g}"


def breakable(name: str) -> Markup:
    """A method's label that may be wrapped after slashes and underscores."""
    return Markup("<wbr>").join(escape(part) for part in re.findall(r"[^/_]*[/_]?", printable(name)) if part)


def moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def web(address: str) -> bool:
    """Whether an address given by a submission is safe to link: http(s) only, so no scripts."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and address.isprintable() and "://" in address
