"""The kinds of figures, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from unlearnbench.errors import UsageError, unknown
from unlearnbench.report.figures.healing import healing_scatter
from unlearnbench.report.figures.maps import detail, maps
from unlearnbench.report.figures.plane import plane, who_wins
from unlearnbench.report.figures.rates import best_lines, rates
from unlearnbench.report.figures.regions import regions
from unlearnbench.report.figures.regularity import regularity_curve
from unlearnbench.report.figures.style import check_suffix, save
from unlearnbench.report.figures.tied_dropout import choose_pairs, tied_dropout
from unlearnbench.report.numbers.board import Board
from unlearnbench.report.numbers.ranking import ranking

SAMPLES = "samples"
"""The figure that shows a suite's data, and needs no results."""


def plot(board: Board, kind: str, methods: Sequence[str], path: Path) -> None:
    """Draw one figure of a board to a file. Without methods, the kind chooses them.

    Raises:
        UsageError: the kind, suffix or a method is unknown, or the board lacks what the figure needs.
    """
    if kind not in KINDS:
        raise UsageError(unknown("figure", kind, [*KINDS, SAMPLES]))
    check_suffix(path)
    save(KINDS[kind](board, list(dict.fromkeys(methods))), path)


def _maps(board: Board, methods: Sequence[str]) -> Figure:
    return maps(board.frame, methods or ranking(board.frame, board.suite.variants)["method"].tolist())


def _regions(board: Board, methods: Sequence[str]) -> Figure:
    if methods:
        raise UsageError("figure 'regions' shows no methods: remove --method")
    return regions()


def _detail(board: Board, methods: Sequence[str]) -> Figure:
    if len(methods) != 1:
        raise UsageError(f"figure 'detail' shows one method, not {len(methods)}: choose one with --method")
    return detail(board.frame, methods[0])


def _rates(board: Board, methods: Sequence[str]) -> Figure:
    return rates(board.frame, methods or best_lines(board.frame, board.suite.variants))


def _tied_dropout(board: Board, methods: Sequence[str]) -> Figure:
    return tied_dropout(board.frame, choose_pairs(board.frame, methods))


def _healing(board: Board, methods: Sequence[str]) -> Figure:
    return healing_scatter(board.frame, board.suite.low_utility, methods=methods)


def _regularity(board: Board, methods: Sequence[str]) -> Figure:
    if methods:
        raise UsageError("figure 'regularity' shows retraining: remove --method")
    return regularity_curve(board.frame)


def _plane(board: Board, methods: Sequence[str]) -> Figure:
    return plane(board.frame, methods or _some_ranked(board))


def _winners(board: Board, methods: Sequence[str]) -> Figure:
    return who_wins(board.frame, methods or _some_ranked(board))


def _some_ranked(board: Board) -> list[str]:
    """The ranked methods.

    Raises:
        UsageError: there are none.
    """
    if not (found := ranked(board)):
        raise UsageError(f"suite '{board.suite.name}' has no ranked method in this store: name methods with --method")
    return found


def ranked(board: Board) -> list[str]:
    """The methods that are ranked on the suite's first kind of original, best first."""
    table = ranking(board.frame, board.suite.variants)
    return list(table.loc[table["ranked"] & (table["starts_from"] == table["starts_from"].iloc[0]), "method"])


KINDS: dict[str, Callable[[Board, Sequence[str]], Figure]] = {
    "maps": _maps,
    "regions": _regions,
    "detail": _detail,
    "rates": _rates,
    "tied-dropout": _tied_dropout,
    "healing": _healing,
    "regularity": _regularity,
    "plane": _plane,
    "winners": _winners,
}
