"""The figures by name: what `plot` can draw of a suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from sqlalchemy import Engine

from unlearnbench.errors import UsageError
from unlearnbench.report.figures.healing import healing_scatter
from unlearnbench.report.figures.maps import detail, maps
from unlearnbench.report.figures.rates import best_lines, rates
from unlearnbench.report.figures.regions import regions
from unlearnbench.report.figures.style import check_suffix, save
from unlearnbench.report.figures.tied_dropout import choose_pairs, tied_dropout
from unlearnbench.report.frames import LowUtility, latest_run, trials
from unlearnbench.report.ranking import ranking


def plot(engine: Engine, suite: str, kind: str, methods: Sequence[str], path: Path) -> None:
    """Draw one figure of a suite into a file; of these methods, or without any of those that the kind shows by itself.

    Raises:
        UsageError: an unknown kind, suffix, suite or method, or a suite without what the figure needs.
    """
    if kind not in KINDS:
        raise UsageError(f"no figure is called '{kind}'; there are: {', '.join(KINDS)}")
    check_suffix(path)
    low_utility: LowUtility = latest_run(engine, suite).suite_specification.get("low_utility", "relative")
    save(KINDS[kind](trials(engine, suite), list(dict.fromkeys(methods)), low_utility), path)


def _maps(frame: pd.DataFrame, methods: Sequence[str], low_utility: LowUtility) -> Figure:
    return maps(frame, methods or ranking(frame)["method"].tolist())


def _regions(frame: pd.DataFrame, methods: Sequence[str], low_utility: LowUtility) -> Figure:
    if methods:
        raise UsageError("the figure 'regions' shows what prior work studied, no methods: leave out --method")
    return regions()


def _detail(frame: pd.DataFrame, methods: Sequence[str], low_utility: LowUtility) -> Figure:
    if len(methods) != 1:
        raise UsageError(f"the figure 'detail' shows one method, not {len(methods)}: name one by --method")
    return detail(frame, methods[0])


def _rates(frame: pd.DataFrame, methods: Sequence[str], low_utility: LowUtility) -> Figure:
    return rates(frame, methods or best_lines(frame))


def _tied_dropout(frame: pd.DataFrame, methods: Sequence[str], low_utility: LowUtility) -> Figure:
    return tied_dropout(frame, choose_pairs(frame, methods))


def _healing(frame: pd.DataFrame, methods: Sequence[str], low_utility: LowUtility) -> Figure:
    return healing_scatter(frame, low_utility, methods=methods)


KINDS: dict[str, Callable[[pd.DataFrame, Sequence[str], LowUtility], Figure]] = {
    "maps": _maps,
    "regions": _regions,
    "detail": _detail,
    "rates": _rates,
    "tied-dropout": _tied_dropout,
    "healing": _healing,
}
