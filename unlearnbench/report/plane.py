"""The page of a board with many corruptions: its figures, and its tables between its prose.

    python -m unlearnbench.report.plane build/board.db digits-plane docs/plane.md

rewrites what stands between `<!-- NAME -->` and `<!-- end -->`, for every name in `tables_of`, and draws
docs/plane-cells.png, -winners.png and -regularity.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

from unlearnbench.errors import UsageError
from unlearnbench.report.escaping import printable
from unlearnbench.report.figures.kinds import ranked
from unlearnbench.report.figures.plane import plane, who_wins
from unlearnbench.report.figures.regularity import regularity_curve
from unlearnbench.report.figures.style import save
from unlearnbench.report.numbers.board import Board, read_board
from unlearnbench.report.numbers.ranking import ranking_of
from unlearnbench.report.numbers.regularity import steady
from unlearnbench.report.text.blocks import updated
from unlearnbench.report.text.formats import markdown_table
from unlearnbench.report.text.regularity import prediction_markdown, regularity_markdown
from unlearnbench.report.text.tables import number, rank_text, with_interval
from unlearnbench.report.wording import PRODUCT
from unlearnbench.store.store import Store


def tables_of(board: Board) -> dict[str, str]:
    """The tables of the page by name, as Markdown."""
    return {
        "scores": scores_markdown(board),
        "regularity": regularity_markdown(board.frame),
        "prediction": prediction_markdown(board.frame, ranked(board)),
    }


def scores_markdown(board: Board) -> str:
    """A row per ranked method: over the whole plane, and at the lowest rate over the corruptions and on its worst."""
    table = ranking_of(board.totals, board.suite).set_index("method").to_dict("index")
    methods, rate = ranked(board), min(board.suite.discovery_rates)
    there = steady(board.frame, methods, rate).to_dict("index")
    rows = []
    for method in methods:
        over, low = table[method], there[method]
        rows.append(
            [
                method,
                with_interval(over["aggregate"], over["aggregate_low"], over["aggregate_high"]),
                rank_text(over),
                with_interval(low["mean"], low["low"], low["high"]),
                f"{number(low['worst'])} on {low['where']}",
            ]
        )
    return markdown_table(["Method", PRODUCT, "Rank", f"At {rate:.0%}", f"Worst at {rate:.0%}"], rows)


def write_page(database: str, suite: str, page: Path) -> list[Path]:
    """Rewrite the page, and draw its figures beside it.

    Raises:
        UsageError: there is no store, it has no board of the suite, or too little of its regularity was measured.
    """
    with Store(database, create=False) as store:
        board = read_board(store.engine, suite)
    figures = {
        "cells": plane(board.frame, ranked(board)),
        "winners": who_wins(board.frame, ranked(board)),
        "regularity": regularity_curve(board.frame),
    }
    written = [
        path for name, figure in figures.items() for path in save(figure, page.with_name(f"{page.stem}-{name}.png"))
    ]
    page.write_text(updated(page.read_text(encoding="utf-8"), tables_of(board)), encoding="utf-8")
    return [page, *written]


if __name__ == "__main__":
    try:
        if len(sys.argv) != 4:
            raise UsageError("give a store, a suite and the page to update")
        write_page(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except UsageError as error:
        sys.exit(f"plane: {printable(str(error))}")
