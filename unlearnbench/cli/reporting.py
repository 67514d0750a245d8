"""The verbs that show what is stored; they never run a trial."""

from __future__ import annotations

import gc
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unlearnbench.cli.common import (
    DATABASE,
    Database,
    Level,
    OnlyCorruptions,
    OnlyRates,
    OnlySeeds,
    StoredSuite,
    Suites,
    app,
    board_of,
    out,
    standings_of,
)

if TYPE_CHECKING:
    from rich.table import Table

    from unlearnbench.report.numbers.board import Board
    from unlearnbench.report.numbers.standings import Standings


class Format(StrEnum):
    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"


class By(StrEnum):
    overall = "overall"
    corruption = "corruption"


Formats = Annotated[Format, typer.Option("--format", help="How it is written.")]
OutFile = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="File to write to, not the terminal.")]


@app.command()
def leaderboard(
    suite: StoredSuite,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder to write to.")],
    isolation: Annotated[
        Level, typer.Option(help="Count trials of a lower level of isolation as missing.")
    ] = Level.process,
    seed: OnlySeeds = None,
    rate: OnlyRates = None,
    corruption: OnlyCorruptions = None,
    database: Database = DATABASE,
    suites: Suites = Path("suites"),
) -> None:
    """Write the leaderboard of a suite: figures, tables and a static site."""
    from unlearnbench.report.leaderboard import write_leaderboard
    from unlearnbench.report.numbers.ranking import ranking_of
    from unlearnbench.report.text.tables import ranked_tables
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        board = board_of(store, suite, suites, seed, rate, corruption, isolation)
        files = write_leaderboard(store.engine, board, out_folder, isolation=isolation.value)
    out.print(*ranked_tables(ranking_of(board.totals, board.suite.variants)), sep="\n")
    out.print(f"{len(files)} files written to {out_folder}", soft_wrap=True)
    _say_what_is_out(board)


@app.command()
def table(
    suite: StoredSuite,
    by: Annotated[By, typer.Option(help="One table over all problems, or one for each corruption.")] = By.overall,
    form: Formats = Format.terminal,
    out_file: OutFile = None,
    seed: OnlySeeds = None,
    rate: OnlyRates = None,
    corruption: OnlyCorruptions = None,
    database: Database = DATABASE,
    suites: Suites = Path("suites"),
) -> None:
    """Rank the methods of a suite, with intervals over seeds."""
    gc.disable()  # to look for cycles among fresh values takes a seventh of the time of a large table
    try:
        from unlearnbench.report.text.rendering import ranking_as
        from unlearnbench.store.store import Store

        with Store(database, create=False) as store:
            standings = standings_of(store, suite, suites, seed, rate, corruption)
        _show(ranking_as(form.value, standings, by=by.value), out_file)
        _say_what_is_out(standings)
    finally:
        gc.enable()


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Name of a method, or name/variant.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Name of the method that it is compared with.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite that was run.")] = "digits",
    form: Formats = Format.terminal,
    out_file: OutFile = None,
    database: Database = DATABASE,
    suites: Suites = Path("suites"),
) -> None:
    """Show where on the map one method beats another, within the seeds that both have."""
    from unlearnbench.report.text.rendering import comparison_as
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        board = board_of(store, suite, suites, methods=(first, second))
    _show(comparison_as(form.value, board, first, second), out_file)


@app.command()
def tunings(
    suite: StoredSuite,
    form: Formats = Format.terminal,
    out_file: OutFile = None,
    database: Database = DATABASE,
) -> None:
    """Show what tuning found for each method of a suite, and what the choice without clean data costs."""
    from unlearnbench.report.text.rendering import tunings_as
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        _show(tunings_as(form.value, store.engine, suite), out_file)


@app.command()
def show(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Name of a method, or name/variant.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite that was run.")] = "digits",
    seed: OnlySeeds = None,
    rate: OnlyRates = None,
    corruption: OnlyCorruptions = None,
    database: Database = DATABASE,
    suites: Suites = Path("suites"),
) -> None:
    """Show the map of one method: utility x healed for each regularity and discovery rate."""
    from unlearnbench.report.text.terminal_map import heatmap_table
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        board = board_of(store, suite, suites, seed, rate, corruption, methods=(method,))
    out.print(heatmap_table(board.frame, method))


@app.command()
def plot(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="One of: maps, regions, detail, rates, tied-dropout, healing.")
    ],
    suite: StoredSuite,
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write: .svg, .pdf or .png.")],
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Show this method (repeat for more); default: by KIND.")
    ] = None,
    seed: OnlySeeds = None,
    rate: OnlyRates = None,
    corruption: OnlyCorruptions = None,
    database: Database = DATABASE,
    suites: Suites = Path("suites"),
) -> None:
    """Draw one figure of a suite into a file, for a paper or a page."""
    from unlearnbench.report.figures import plot as draw
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        board = board_of(store, suite, suites, seed, rate, corruption)
    draw(board, kind, method or [], out_file)
    out.print(f"{out_file} written", soft_wrap=True, markup=False, highlight=False)


def _say_what_is_out(board: Board | Standings) -> None:
    """A line for each method with seeds that do not count, and for each group of records that are not on the board."""
    from unlearnbench.report.numbers.totals import incomplete

    lines = [
        f"not counted: {method}, seed{'s' * (len(rows) > 1)} {', '.join(rows['seed'])}:"
        f" {rows['recorded'].sum()} of {rows['trials'].sum()} trials have a record"
        for method, rows in incomplete(board.totals).groupby("method")
    ]
    lines += [f"not on the board: {item.words} of {item.method}, {item.reason}: {item.command}" for item in board.stale]
    for line in lines:
        typer.echo(line, err=True)


def _show(content: str | list[Table], file: Path | None) -> None:
    """Print text or tables, or write them to a file."""
    from unlearnbench.report.text.rendering import write

    if file is not None:
        write(content, file)
        out.print(f"written to {file}", soft_wrap=True)
    elif isinstance(content, str):
        typer.echo(content, nl=False)
    else:
        out.print(*content, sep="\n")
