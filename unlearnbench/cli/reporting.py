"""The verbs that show what is stored; they never run a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearnbench.cli.common import DATABASE, Database, StoredSuite, app, out


@app.command()
def leaderboard(
    suite: StoredSuite,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to.")],
    database: Database = DATABASE,
) -> None:
    """Write the leaderboard of a suite: figures and tables."""
    from unlearnbench.report.frames import ranking, trials
    from unlearnbench.report.leaderboard import write_leaderboard
    from unlearnbench.report.tables import ranked_table
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        files = write_leaderboard(store.engine, suite, out_folder)
        out.print(ranked_table(ranking(trials(store.engine, suite))))
    out.print(f"{len(files)} files written to {out_folder}", soft_wrap=True)


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
