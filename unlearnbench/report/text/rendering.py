"""Render a ranking, a comparison or tunings in a given format."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Literal

import pandas as pd
from rich.table import Table
from sqlalchemy import Engine

from unlearnbench.problems.suite import OriginalSpec
from unlearnbench.report.numbers.board import Board
from unlearnbench.report.numbers.comparison import comparison
from unlearnbench.report.numbers.ranking import ranking_by_corruption, ranking_of
from unlearnbench.report.numbers.standings import Standings
from unlearnbench.report.numbers.tunings import read_tunings, tunings_frame
from unlearnbench.report.text.differences import difference_map, map_sheet, overview_sheet
from unlearnbench.report.text.formats import Sheet, TextFormat, csv, latex, markdown
from unlearnbench.report.text.tables import ranked_tables, ranking_sheets, terminal_table
from unlearnbench.report.text.terminal import Terminal
from unlearnbench.report.wording import row_labels
from unlearnbench.system.files import replacing

By = Literal["overall", "corruption"]

TUNINGS_HEADER = ("Method", "Tries", "Pruned", "Unfinished", "Default", "Blind choice", "Oracle's choice", "Blind cost")
TUNINGS_NOTE = (
    "Mean utility x healed over the tuning problems in percent; a failed trial counts as 0. The blind choice is the try"
    " with the highest selection score, the oracle's choice the one with the highest utility x healed, both among tries"
    " that ran on all problems. The blind cost is their difference in percentage points. Tries were pruned by selection"
    " score; with pruning by utility x healed, the oracle might have found a better one."
)
FEWER_TRIES = "A search with fewer tries than the suite gives was interrupted, or its space has no more settings."

_WIDTH = 100
"""Width in characters of terminal tables written to a file."""


def ranking_as(form: TextFormat, board: Board | Standings, *, by: By = "overall") -> str | list[Table]:
    """The ranking of a board as text, or as terminal tables."""
    make = ranking_of if by == "overall" else ranking_by_corruption
    table = make(board.totals, board.suite)
    if form == "csv":
        first = [name for name in ("corruption", "best", "worst", "method") if name in table]
        columns = [name for name in table.columns.drop(first) if not name.endswith(("_seeds", "_constant"))]
        return csv(table[[*first, *columns]])
    if form != "terminal":
        return _text(form, ranking_sheets(table, board.suite.title))
    if by == "overall":
        return ranked_tables(table, intervals=True)
    labels = row_labels(table["corruption"])
    return [
        shown
        for name, part in table.groupby("corruption", sort=False)
        for shown in ranked_tables(part.drop(columns="corruption"), labels[str(name)], intervals=True)
    ]


def comparison_as(form: TextFormat, board: Board, first: str, second: str) -> str | list[Table]:
    """The first method minus the second, as text or as terminal tables.

    Raises:
        UsageError: as `comparison`.
    """
    table = comparison(board.frame, first, second)
    if form == "csv":
        return csv(table.assign(first=first, second=second)[["first", "second", *table.columns]])
    kinds = board.frame.drop_duplicates("method").set_index("method")[["capacity", "training"]]
    overview = overview_sheet(table, first, second, *(OriginalSpec(*kinds.loc[name]).label for name in (first, second)))
    if form == "terminal":
        return [difference_map(table, first, second), terminal_table(overview)]
    return _text(form, [overview, map_sheet(table, first, second)])


def tunings_as(form: TextFormat, engine: Engine, suite: str) -> str | list[Table]:
    """The tunings of a suite as text, or as a terminal table.

    Raises:
        UsageError: nothing was tuned on this suite.
    """
    frame = tunings_frame(read_tunings(engine, suite))
    if form == "csv":
        return csv(frame)
    sheet = tunings_sheet(frame, f"Tuning for {suite}")
    return [terminal_table(sheet)] if form == "terminal" else _text(form, [sheet])


def tunings_sheet(frame: pd.DataFrame, title: str) -> Sheet:
    """A `tunings_frame` as a sheet, without empty columns."""
    rows = [
        [
            row["method"],
            f"{row['tries']} of {row['budget']}" if row["tries"] < row["budget"] else str(row["tries"]),
            *(str(row["pruned"]), str(row["unfinished"] or "")),
            *("-" if pd.isna(row[name]) else f"{row[name]:.1f}" for name in ("default", "blind", "oracle", "cost")),
        ]
        for row in frame.to_dict("records")
    ]
    fewer = f" {FEWER_TRIES}" if (frame["tries"] < frame["budget"]).any() else ""
    return Sheet(title, TUNINGS_HEADER, [rows], TUNINGS_NOTE + fewer).without()


def _text(form: TextFormat, sheets: list[Sheet]) -> str:
    if form == "markdown":
        return markdown(sheets)
    return latex([sheet.without("Title", "Processor seconds") for sheet in sheets])


def write(content: str | list[Table], file: Path) -> None:
    """Write text, or terminal tables without colours, to a file.

    Raises:
        UsageError: the file cannot be written.
    """
    if not isinstance(content, str):
        console = Terminal(width=_WIDTH, file=StringIO())
        console.print(*content, sep="\n")
        assert isinstance(console.file, StringIO)
        content = console.file.getvalue()
    with replacing(file) as part:
        part.write_text(content, encoding="utf-8")
