"""What scripts know of a board: the values of every seed, and what cannot be computed from them by a plain mean.

There are many values, but few different ones: those of a metric stand in a list, and what is said of a trial is a place
in it, of one to three characters. The product is not among them: scripts multiply.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from unlearnbench.evaluation.statistics import FEWEST_SEEDS, quantile
from unlearnbench.report.escaping import printable
from unlearnbench.report.site.content import METRICS, Content, Method
from unlearnbench.report.wording import PRODUCT

DIGITS = "".join(chr(code) for code in range(ord("!"), ord("~") + 1) if chr(code) not in '"\\<')
"""91 characters that a text in a script may have as they are, even if the script stands in a page."""
NAMES = {
    "aggregate": PRODUCT,
    "healed_train": "Healed (train)",
    "healed_undiscovered": "Healed (undiscovered)",
    "healed_test": "Healed (test)",
    "attack_success": "Attack success",
    "utility": "Utility (test)",
}
STATES = {"finished": ".", "partly failed": "p", "failed": "x", "partly missing": "q", "missing": "m"}
WRITTEN = tuple(metric for metric in METRICS if metric != "aggregate")
"""The metrics whose values are in the script."""
DECIMALS = 5
"""Of percentages."""
STEP = 0.05
"""Between the degrees of freedom for which scripts have a quantile; between them 1e-4 of it is lost."""


def script_of(shown: Content) -> str:
    """A script that hands the numbers of a board to the page that loads it."""
    trials = [trial for method in shown.methods for row in method.cells for cell in row for trial in cell.trials]
    codes = {metric: codes_of(trial.values[metric] for trial in trials) for metric in WRITTEN}
    seeds = list(dict.fromkeys(trial.seed for method in shown.methods for trial in method.cells[0][0].trials))
    table = {
        "rates": [float(f"{rate:g}") for rate in shown.rates],
        "rows": [[name, printable(label)] for name, label in shown.corruptions.items()],
        "seeds": seeds,
        "metrics": [[metric, NAMES[metric]] for metric in METRICS],
        "fewest": FEWEST_SEEDS,
        "quantiles": [round(quantile(float(freedom)), 5) for freedom in _freedoms(len(seeds))],
        "step": STEP,
        "widths": [own.width for own in codes.values()],
        "values": [own.values for own in codes.values()],
        "methods": {method.name_of_page: _method(method, seeds, codes) for method in shown.methods},
        "ranked": [method.name_of_page for method in _ranked(shown)],
        "ranks": _ranks(shown),
    }
    # ASCII without "<": safe inside any HTML.
    text = json.dumps(table, separators=(",", ":")).replace("<", "\\u003c")
    return f"unlearnbench.receive({text});\n"


@dataclass(frozen=True)
class Codes:
    """Texts for percentages of one metric: their places in the list `values`, each of `width` characters."""

    values: list[float | None]
    """None, where nothing was measured, is first."""

    @property
    def width(self) -> int:
        return next(width for width in (1, 2, 3) if len(self.values) <= len(DIGITS) ** width)

    @cached_property
    def _places(self) -> dict[float | None, int]:
        return {value: place for place, value in enumerate(self.values)}

    def text(self, percent: float) -> str:
        place = self._places[_rounded(percent)]
        base = len(DIGITS)
        return "".join(DIGITS[place // base**power % base] for power in reversed(range(self.width)))


def codes_of(percentages: Iterable[float]) -> Codes:
    known = {value for value in map(_rounded, percentages) if value is not None}
    return Codes([None, *sorted(known)])


def _rounded(percent: float) -> float | None:
    return None if pd.isna(percent) else round(percent, DECIMALS)


def _freedoms(seeds: int) -> Any:
    """Degrees of freedom from that of the fewest seeds to that of two methods compared unpaired."""
    last = max(2 * seeds - 2, FEWEST_SEEDS)
    return np.round(np.arange(FEWEST_SEEDS - 1, last + STEP / 2, STEP), 2)


def _method(method: Method, seeds: list[str], codes: dict[str, Codes]) -> dict[str, Any]:
    trials = {
        f"{y},{x},{index}": printable(trial.reason) if trial.state == "failed" else None
        for y, row in enumerate(method.cells)
        for x, cell in enumerate(row)
        for index, trial in enumerate(cell.trials)
        if trial.state != "finished"
    }
    return {
        "name": printable(method.name),
        "title": printable(str(method.row["title"])),
        "kind": method.row["starts_from"],
        "ranked": bool(method.row["ranked"]),
        "whole": bool(method.row["seeds"]),
        "seeds": [seeds.index(trial.seed) for trial in method.cells[0][0].trials],
        "started": method.started,
        "states": ["".join(STATES[cell.state] for cell in row) for row in method.cells],
        "trials": trials,
        "originals": [
            [None if pd.isna(row[name]) else round(row[name], DECIMALS) for name in METRICS] for row in method.originals
        ],
        "values": [[_values(method, metric, y, codes[metric]) for y in range(len(method.cells))] for metric in WRITTEN],
    }


def _values(method: Method, metric: str, row: int, codes: Codes) -> str:
    """The values of a row of the map, seed after seed for each rate; empty if nothing was measured.

    Those of one rate if all rates have the same, as without a forget set.
    """
    rates = ["".join(codes.text(trial.values[metric]) for trial in cell.trials) for cell in method.cells[row]]
    nothing = codes.text(float("nan")) * len(method.cells[row][0].trials)
    if set(rates) == {nothing}:
        return ""
    return rates[0] if len(set(rates)) == 1 else "".join(rates)


def _ranked(shown: Content) -> list[Method]:
    """The methods that have ranks on parts of the plane."""
    names = next(iter(shown.ranks.values()), {})
    return [method for method in shown.methods if method.name in names]


def _ranks(shown: Content) -> dict[str, list[tuple[int, int]]]:
    """The ranks of those by the name of a part in addresses: CORRUPTION, `,RATE` or CORRUPTION,RATE in percent."""

    def name(corruption: str | None, rate: float | None) -> str:
        return (corruption or "") + ("" if rate is None else f",{100 * rate:g}")

    methods = _ranked(shown)
    return {name(*part): [ranks[method.name] for method in methods] for part, ranks in shown.ranks.items()}
