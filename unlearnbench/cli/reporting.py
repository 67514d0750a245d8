"""Commands that show stored results; none runs a trial."""

from __future__ import annotations

import gc
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unlearnbench.cli.common import (
    RESULTS,
    Data,
    Database,
    Level,
    OnlyCorruptions,
    OnlyRates,
    OnlySeeds,
    StoredSuite,
    Suites,
    app,
    complain,
    out,
    say,
)
from unlearnbench.library import DATABASE, StoredGrid

if TYPE_CHECKING:
    from rich.table import Table

    from unlearnbench.report.numbers.board import Board
    from unlearnbench.report.numbers.standings import Standings


class TextFormat(StrEnum):
    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"


class By(StrEnum):
    overall = "overall"
    corruption = "corruption"


Formats = Annotated[TextFormat, typer.Option("--format", help="Output format.")]
OutFile = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="File to write; default: the terminal.")]


@app.command(rich_help_panel=RESULTS, epilog="Example: `unlearnbench leaderboard digits --out build/leaderboard`")
def leaderboard(
    suite: StoredSuite,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder to write.")],
    isolation: Annotated[Level, typer.Option(help="Count trials with weaker isolation as missing.")] = Level.process,
    seed: OnlySeeds = None,
    rate: OnlyRates = None,
    corruption: OnlyCorruptions = None,
    database: Database = DATABASE,
    suites: Suites = None,
) -> None:
    """Write the leaderboard of a suite.

    It consists of figures, tables and a static site. Use a folder of its own: figures and pages there of methods that
    are no longer on the board are deleted.
    """
    from unlearnbench import library
    from unlearnbench.report.numbers.ranking import ranking_of
    from unlearnbench.report.text.tables import ranked_tables
    from unlearnbench.report.wording import openness

    grid = _stored(seed, rate, corruption, database, suites)
    board, files = library.leaderboard(suite, out_folder, isolation=isolation.value, **grid)
    out.print(*ranked_tables(ranking_of(board.totals, board.suite)), sep="\n")
    say(openness(board.suite.commitment))
    say(f"{len(files)} files written to {out_folder}")
    _say_what_is_out(board)


@app.command(rich_help_panel=RESULTS, epilog="Example: `unlearnbench site digits digits-vit --out build/site`")
def site(
    names: Annotated[list[str], typer.Argument(metavar="SUITE...", help="Names of suites in the store, in order.")],
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder to write.")],
    repository: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address of the code on GitHub, to link to.", show_default=False)
    ] = "",
    isolation: Annotated[Level, typer.Option(help="Count trials with weaker isolation as missing.")] = Level.process,
    database: Database = DATABASE,
    suites: Suites = None,
) -> None:
    """Write one website of the boards of several suites.

    It is a folder of static pages, which open from a disk or from any web server.
    """
    from unlearnbench import library

    files = library.site(
        names, out_folder, repository=repository, isolation=isolation.value, database=database, suites=suites
    )
    say(f"{len(files)} files written to {out_folder}; open {out_folder / 'index.html'}")


@app.command(rich_help_panel=RESULTS, epilog="Example: `unlearnbench table digits --by corruption --format latex`")
def table(
    suite: StoredSuite,
    by: Annotated[By, typer.Option(help="One table over all problems, or one per corruption.")] = By.overall,
    form: Formats = TextFormat.terminal,
    out_file: OutFile = None,
    seed: OnlySeeds = None,
    rate: OnlyRates = None,
    corruption: OnlyCorruptions = None,
    database: Database = DATABASE,
    suites: Suites = None,
) -> None:
    """Rank the methods of a suite.

    Intervals are over seeds.
    """
    gc.disable()  # looking for cycles takes a seventh of the time of a large table
    try:
        from unlearnbench import library
        from unlearnbench.report.text.rendering import ranking_as

        standings = library.standings(suite, **_stored(seed, rate, corruption, database, suites))
        _show(ranking_as(form.value, standings, by=by.value), out_file)
        _say_what_is_out(standings)
    finally:
        gc.enable()


@app.command(rich_help_panel=RESULTS, epilog="Example: `unlearnbench compare rem/digits npo/digits`")
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Method, as `name` or `name/variant`.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Method to compare A with.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite in the store.")] = "digits",
    form: Formats = TextFormat.terminal,
    out_file: OutFile = None,
    database: Database = DATABASE,
    suites: Suites = None,
) -> None:
    """Show where one method beats another.

    Shows A minus B in every cell of the map, over the seeds that both methods have.
    """
    from unlearnbench import library
    from unlearnbench.report.text.rendering import comparison_as

    board = library.board(suite, (first, second), database=database, suites=suites)
    _show(comparison_as(form.value, board, board.find(first), board.find(second)), out_file)


@app.command(rich_help_panel=RESULTS, epilog="Example: `unlearnbench tunings digits`")
def tunings(
    suite: StoredSuite,
    form: Formats = TextFormat.terminal,
    out_file: OutFile = None,
    database: Database = DATABASE,
) -> None:
    """Show what tuning found for each method.

    Also shows what choosing hyperparameters without clean data costs.
    """
    from unlearnbench.report.text.rendering import tunings_as
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        _show(tunings_as(form.value, store.engine, suite), out_file)


@app.command(rich_help_panel=RESULTS, epilog="Example: `unlearnbench show my_method`")
def show(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Method, as `name` or `name/variant`.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite in the store.")] = "digits",
    detail: Annotated[
        bool, typer.Option("--detail", help="Also show the end of what each trial printed, and why trials failed.")
    ] = False,
    seed: OnlySeeds = None,
    rate: OnlyRates = None,
    corruption: OnlyCorruptions = None,
    database: Database = DATABASE,
    suites: Suites = None,
) -> None:
    """Show the map of one method.

    Prints utility x healed for each corruption and discovery rate.
    """
    from unlearnbench import library
    from unlearnbench.report.numbers.budget import budget_line, budget_shares
    from unlearnbench.report.text.terminal_map import heatmap_table
    from unlearnbench.report.text.trials import details, failure_lines

    board = library.board(suite, (method,), **_stored(seed, rate, corruption, database, suites))
    method = board.find(method)
    out.print(heatmap_table(board.frame, method))
    say(budget_line(budget_shares(board.totals, board.suite).get(method, float("nan"))))
    for line in failure_lines(board.frame, method):
        complain(line)
    if detail:
        _show(details(board.frame, method), None)


@app.command(rich_help_panel=RESULTS, epilog="Example: `unlearnbench plot maps digits --out maps.pdf`")
def plot(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="One of: maps, regions, detail, rates, tied-dropout, healing, regularity, plane, winners, samples.",
        ),
    ],
    suite: StoredSuite,
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write: .svg, .pdf or .png.")],
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Show this method (repeatable); default: depends on KIND.")
    ] = None,
    seed: OnlySeeds = None,
    rate: OnlyRates = None,
    corruption: OnlyCorruptions = None,
    database: Database = DATABASE,
    data: Data = Path("data"),
    suites: Suites = None,
) -> None:
    """Draw one figure of a suite.

    `samples` shows corrupted images, and needs no results.
    """
    from unlearnbench import library

    library.plot(kind, suite, out_file, method or (), data=data, **_stored(seed, rate, corruption, database, suites))
    say(f"{out_file} written")


def _stored(
    seeds: list[int] | None,
    rates: list[float] | None,
    corruptions: list[str] | None,
    database: str,
    suites: Path | None,
) -> StoredGrid:
    return {
        "seeds": seeds or (),
        "rates": rates or (),
        "corruptions": corruptions or (),
        "database": database,
        "suites": suites,
    }


def _say_what_is_out(board: Board | Standings) -> None:
    """Print the methods with incomplete seeds, and the stale records."""
    from unlearnbench.report.numbers.totals import incomplete

    lines = [
        f"not counted: {method}, seed{'s' * (len(rows) > 1)} {', '.join(rows['seed'])}:"
        f" {rows['recorded'].sum()} of {rows['trials'].sum()} trials have a record"
        for method, rows in incomplete(board.totals).groupby("method")
    ]
    lines += [f"not on the board: {item.words} of {item.method}, {item.reason}: {item.command}" for item in board.stale]
    for line in lines:
        complain(line)


def _show(content: str | list[Table], file: Path | None) -> None:
    """Print text or tables, or write them to a file."""
    from unlearnbench.report.escaping import printable
    from unlearnbench.report.text.rendering import write

    if file is not None:
        write(content, file)
        say(f"written to {file}")
    elif isinstance(content, str):
        typer.echo(printable(content), nl=False)
    else:
        out.print(*content, sep="\n")
