"""A ranking, a comparison or the tunings of a suite in the form that was asked for."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from unlearnbench.errors import UsageError
from unlearnbench.report.compared import difference_map, map_sheet, overview_sheet
from unlearnbench.report.comparison import comparison
from unlearnbench.report.formats import Format, Sheet, csv, latex, markdown
from unlearnbench.report.frames import latest_run
from unlearnbench.report.labels import REGULARITY_LABELS
from unlearnbench.report.ranking import ranked, ranked_by_regularity
from unlearnbench.report.scores import read_scores
from unlearnbench.report.tables import ranked_table, ranking_sheets, terminal_table
from unlearnbench.report.tunings import read_tunings, tunings_frame, tunings_sheet

By = Literal["overall", "regularity"]

_WIDTH = 100
"""Columns of a table for the terminal that goes into a file."""


def ranking_as(form: Format, engine: Engine, suite: str, *, by: By = "overall") -> str | list[Table]:
    """The ranking of a suite as text, or as tables for the terminal.

    Raises:
        UsageError: the store has no run of this suite.
    """
    scores = read_scores(engine, suite)
    ranking = ranked(scores) if by == "overall" else ranked_by_regularity(scores)
    if form == "csv":
        first = [name for name in ("regularity", "rank", "method") if name in ranking]
        return csv(ranking[[*first, *ranking.columns.drop(first)]])
    if form == "terminal" and by == "overall":
        return [ranked_table(ranking, intervals=True)]
    if form == "terminal":
        parts = ranking.groupby("regularity", sort=False)
        return [ranked_table(part, intervals=True, title=REGULARITY_LABELS[str(name)]) for name, part in parts]
    return _text(form, ranking_sheets(ranking, latest_run(engine, suite).suite_specification.get("title", suite)))


def comparison_as(form: Format, engine: Engine, suite: str, first: str, second: str) -> str | list[Table]:
    """The first method of a suite minus the second, as text, or as tables for the terminal.

    Raises:
        UsageError: the store has no run of this suite, or `comparison` cannot compare the two.
    """
    scores = read_scores(engine, suite)
    table = comparison(scores, first, second)
    if form == "csv":
        return csv(table.assign(first=first, second=second)[["first", "second", *table.columns]])
    kinds = scores.methods.set_index("method")["stands_on"]
    overview = overview_sheet(table, first, second, kinds[first], kinds[second])
    if form == "terminal":
        return [difference_map(table, first, second), terminal_table(overview)]
    return _text(form, [overview, map_sheet(table, first, second)])


def tunings_as(form: Format, engine: Engine, suite: str) -> str | list[Table]:
    """The tunings of a suite as text, or as a table for the terminal.

    Raises:
        UsageError: nothing was tuned for this suite.
    """
    frame = tunings_frame(read_tunings(engine, suite))
    if form == "csv":
        return csv(frame)
    sheet = tunings_sheet(frame, f"Tuning for {suite}")
    return [terminal_table(sheet)] if form == "terminal" else _text(form, [sheet])


def _text(form: Format, sheets: list[Sheet]) -> str:
    if form == "markdown":
        return markdown(sheets)
    return latex([sheet.without("Title", "Seconds") for sheet in sheets])


def write(content: str | list[Table], file: Path) -> None:
    """Write text, or tables for the terminal without their colours.

    Raises:
        UsageError: the file cannot be written.
    """
    if not isinstance(content, str):
        console = Console(width=_WIDTH, file=StringIO())
        console.print(*content, sep="\n")
        assert isinstance(console.file, StringIO)
        content = console.file.getvalue()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}; give --out another file") from error
