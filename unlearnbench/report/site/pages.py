"""Render the content: HTML from templates with autoescaping, and the cells' data as scripts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from unlearnbench.report.escaping import printable
from unlearnbench.report.numbers.budget import MARKED
from unlearnbench.report.site.content import METRICS, Cell, Content, Method, Trial
from unlearnbench.report.text.tables import clipped, correlation_text, rank_text, seeds_text
from unlearnbench.report.wording import OWN, PRODUCT, UNTUNED, cell_colours

PANELS = {
    "healed_train": "Healed (train)",
    "healed_undiscovered": "Healed (undiscovered)",
    "healed_test": "Healed (test)",
    "utility": "Utility (test)",
    "aggregate": PRODUCT,
}
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


def render(shown: Content) -> dict[str, str]:
    """The pages by file name."""
    environment = _environment()
    common: dict[str, Any] = {
        "content": shown,
        "example": example(shown),
        "panels": PANELS,
        "product": PRODUCT,
        "untuned": UNTUNED,
        "marked": MARKED,
        "own": OWN,
        "states": CELL_WORDS,
        "classes": CELL_CLASSES,
    }
    names = ("index.html", "reading.html", "provenance.html")
    texts = {name: environment.get_template(name).render(common, page=name) for name in names}
    template = environment.get_template("method.html")
    return texts | {method.page: template.render(common, page=method.page, method=method) for method in shown.methods}


def scale() -> str:
    """The style sheet of the colour scale: a class per whole percentage, and the legend's gradient."""
    rules = []
    for percent in range(101):
        background, ink = cell_colours(percent)
        rules.append(f".s{percent}{{background-color:{background};color:{ink}}}")
    stops = ",".join(cell_colours(percent)[0] for percent in RAMP)
    return "\n".join([*rules, f".ramp{{background-image:linear-gradient(to right,{stops})}}", ""])


def cell_data(method: Method, labels: dict[str, str]) -> str:
    """A script that passes the numbers of a method's cells, formatted for display, to the page.

    labels: row labels by corruption.
    """
    rows = [
        {
            "original": _original(method, index, labels),
            "cells": [_cell(cell, labels) for cell in row],
        }
        for index, row in enumerate(method.cells)
    ]
    # ASCII without "<": safe inside any HTML.
    text = json.dumps({"name": printable(method.name), "rows": rows}, separators=(",", ":")).replace("<", "\\u003c")
    page = json.dumps(method.page.removesuffix(".html"))
    return f"unlearnbench.receive({page},{text});\n"


def example(shown: Content) -> tuple[Method, Cell, Cell] | None:
    """The first method with two unequal finished cells, with its best and its worst one; None if there is none."""
    for method in shown.methods:
        cells = [cell for row in method.cells for cell in row if cell.state == "finished"]
        cells.sort(key=lambda cell: cell.values["aggregate"])
        if cells and cells[0].values["aggregate"] < cells[-1].values["aggregate"]:
            return method, cells[-1], cells[0]
    return None


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
    }
    return environment


def _shown(value: Any) -> Any:
    """What an expression of a template puts into a page, before it is escaped."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


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
    """A method's label that may be wrapped after its slash."""
    return Markup("/<wbr>").join(escape(part) for part in printable(name).split("/"))


def moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def web(address: str) -> bool:
    """Whether an address given by a submission is safe to link: http(s) only, so no scripts."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _original(method: Method, index: int, labels: dict[str, str]) -> dict[str, Any]:
    label = labels[method.cells[index][0].corruption]
    values = _values(method.originals[index])
    return {
        "where": f"{label} regularity, original model, before any repair",
        "note": "" if values else "no original is stored",
        "values": values,
        "interval": "",
        "trials": [],
    }


def _cell(cell: Cell, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "where": f"{labels[cell.corruption]} regularity, {cell.rate:g}% discovered",
        "note": _note(cell),
        "values": _values(cell.values),
        "interval": "" if cell.state == "missing" else _spread(cell),
        # A single trial repeats the cell's own value: list it only with a reason of failure.
        "trials": [_trial(trial) for trial in cell.trials if len(cell.trials) > 1 or trial.state == "failed"],
    }


def _note(cell: Cell) -> str:
    """How many trials failed or were not run, and how they count in the mean."""
    count = len(cell.trials)
    failed, missing = (sum(trial.state == state for trial in cell.trials) for state in ("failed", "missing"))
    parts = [f"{failed} of {count} failed, each counts as 0" if count > 1 else "failed, counts as 0"] if failed else []
    if cell.state == "missing":
        parts.append("not run")
    elif missing:
        parts.append(f"{missing} of {count} not run, the mean is over the others")
    return "; ".join(parts)


def _spread(cell: Cell) -> str:
    """The interval of a cell, or why there is none."""
    both = interval(cell.product.low, cell.product.high)
    if both:
        return f"95% interval {both} over {cell.product.seeds} seeds"
    if cell.product.constant:
        return f"the same in all {cell.product.seeds} seeds"
    return f"no interval of {cell.product.seeds} seed{'s' * (cell.product.seeds != 1)}"


def _values(values: dict[str, float]) -> list[str]:
    """The formatted values; empty if nothing was measured."""
    return [] if pd.isna(values["aggregate"]) else [number(values[metric]) for metric in METRICS]


def _trial(trial: Trial) -> list[str]:
    """The label with the formatted values, or with why there are none."""
    said = {"failed": f"failed: {printable(trial.reason)}", "missing": "not run"}
    return [trial.label, *([said[trial.state]] if trial.state in said else _values(trial.values))]
