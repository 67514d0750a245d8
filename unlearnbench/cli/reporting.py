"""The verbs that show what is stored; they never run a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearnbench.cli.common import DATABASE, Database, Level, StoredSuite, app, out


@app.command()
def leaderboard(
    suite: StoredSuite,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder to write to.")],
    isolation: Annotated[
        Level, typer.Option(help="Count trials of a lower level of isolation as missing.")
    ] = Level.process,
    database: Database = DATABASE,
) -> None:
    """Write the leaderboard of a suite: figures and tables."""
    from unlearnbench.report.frames import ranking, trials
    from unlearnbench.report.leaderboard import write_leaderboard
    from unlearnbench.report.tables import ranked_table
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        files = write_leaderboard(store.engine, suite, out_folder, isolation=isolation.value)
        out.print(ranked_table(ranking(trials(store.engine, suite, isolation=isolation.value))))
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
