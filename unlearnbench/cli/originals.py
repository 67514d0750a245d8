"""The verbs of original models: `unlearnbench originals ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearnbench.cli.common import DATABASE, STORE, Data, Database, OnlySeeds, StoredSuite, Suites, app, board_of, out

originals_app = typer.Typer(help="Export and import original models.")
app.add_typer(originals_app, name="originals", no_args_is_help=True, rich_help_panel=STORE)


@originals_app.command(epilog="Example: `unlearnbench originals export digits --out originals`")
def export(
    suite: StoredSuite,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to create.")],
    seed: OnlySeeds = None,
    database: Database = DATABASE,
    data: Data = Path("data"),
    suites: Suites = Path("suites"),
) -> None:
    """Export the original models of a suite.

    Writes the originals that the trials on the board start from, with an index.
    """
    from unlearnbench.running.originals_files import export as write
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        keys = set(board_of(store, suite, suites, seed).frame["original"].dropna())
        count = write(store.engine, keys, data / "originals", folder)
    _say(f"{count} originals written to {folder}")


@originals_app.command("import", epilog="Example: `unlearnbench originals import originals`")
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder written by `unlearnbench originals export`.")],
    database: Database = DATABASE,
    data: Data = Path("data"),
) -> None:
    """Import exported original models.

    Trials that run here afterwards start from the same weights.
    """
    from unlearnbench.running.originals_files import import_into, stored_hashes

    imported = import_into(data / "originals", folder, stored_hashes(database))
    _say(f"{imported.added} originals imported, {imported.known} known already")


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)
