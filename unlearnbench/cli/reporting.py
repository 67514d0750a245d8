"""The verbs that show what is stored; they never run a trial."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unlearnbench.cli.common import DATABASE, Database, Level, StoredSuite, app, out

if TYPE_CHECKING:
    from rich.table import Table


class Format(StrEnum):
    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"


class By(StrEnum):
    overall = "overall"
    regularity = "regularity"


Formats = Annotated[Format, typer.Option("--format", help="How it is written.")]
OutFile = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="File to write to, not the terminal.")]


@app.command()
def leaderboard(
    suite: StoredSuite,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder to write to.")],
    isolation: Annotated[
        Level, typer.Option(help="Count trials of a lower level of isolation as missing.")
    ] = Level.process,
    database: Database = DATABASE,
) -> None:
    """Write the leaderboard of a suite: figures, tables and a static site."""
    from unlearnbench.report.leaderboard import write_leaderboard
    from unlearnbench.report.ranking import ranked
    from unlearnbench.report.scores import read_scores
    from unlearnbench.report.tables import ranked_table
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        files = write_leaderboard(store.engine, suite, out_folder, isolation=isolation.value)
        out.print(ranked_table(ranked(read_scores(store.engine, suite, isolation=isolation.value))))
    out.print(f"{len(files)} files written to {out_folder}", soft_wrap=True)


@app.command()
def table(
    suite: StoredSuite,
    by: Annotated[By, typer.Option(help="One table over all problems, or one for each regularity.")] = By.overall,
    form: Formats = Format.terminal,
    out_file: OutFile = None,
    database: Database = DATABASE,
) -> None:
    """Rank the methods of a suite, with intervals; methods that cannot be told apart share a rank."""
    from unlearnbench.report.rendering import ranking_as
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        _show(ranking_as(form.value, store.engine, suite, by=by.value), out_file)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Name of a method, or name/variant.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Name of the method that it is compared with.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite that was run.")] = "digits",
    form: Formats = Format.terminal,
    out_file: OutFile = None,
    database: Database = DATABASE,
) -> None:
    """Show where on the map one method beats another, on the problems that both have."""
    from unlearnbench.report.rendering import comparison_as
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        _show(comparison_as(form.value, store.engine, suite, first, second), out_file)


@app.command()
def tunings(
    suite: StoredSuite,
    form: Formats = Format.terminal,
    out_file: OutFile = None,
    database: Database = DATABASE,
) -> None:
    """Show what tuning found for each method of a suite, and what the choice without clean data costs."""
    from unlearnbench.report.rendering import tunings_as
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        _show(tunings_as(form.value, store.engine, suite), out_file)


@app.command()
def show(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Name of a method, or name/variant.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite that was run.")] = "digits",
    database: Database = DATABASE,
) -> None:
    """Show the map of one method: utility x healed for each regularity and discovery rate."""
    from unlearnbench.report.frames import trials
    from unlearnbench.report.tables import heatmap_table
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        out.print(heatmap_table(trials(store.engine, suite), method))


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
    database: Database = DATABASE,
) -> None:
    """Draw one figure of a suite into a file, for a paper or a page."""
    from unlearnbench.report.figures import plot as draw
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        draw(store.engine, suite, kind, method or [], out_file)
    out.print(f"{out_file} written", soft_wrap=True, markup=False, highlight=False)


def _show(content: str | list[Table], file: Path | None) -> None:
    """Print text or tables, or write them to a file."""
    from unlearnbench.report.rendering import write

    if file is not None:
        write(content, file)
        out.print(f"written to {file}", soft_wrap=True)
    elif isinstance(content, str):
        typer.echo(content, nl=False)
    else:
        out.print(*content, sep="\n")
