"""The verbs of original models: `unlearnbench originals ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearnbench.cli.common import DATABASE, Data, Database, OnlySeeds, StoredSuite, Suites, app, board_of, out

originals_app = typer.Typer(help="Share the original models that trials start from: export, import.")
app.add_typer(originals_app, name="originals", no_args_is_help=True)


@originals_app.command()
def export(
    suite: StoredSuite,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder to write.")],
    seed: OnlySeeds = None,
    database: Database = DATABASE,
    data: Data = Path("data"),
    suites: Suites = Path("suites"),
) -> None:
    """Write the originals of a suite's board, with an index, to a folder that others can import."""
    from unlearnbench.running.originals_files import export as write
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        keys = set(board_of(store, suite, suites, seed).frame["original"].dropna())
        count = write(store.engine, keys, data / "originals", folder)
    _say(f"{count} originals written to {folder}")


@originals_app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `originals export` wrote.")],
    database: Database = DATABASE,
    data: Data = Path("data"),
) -> None:
    """Take over the originals of an exported folder, so that trials here start from the same weights."""
    from unlearnbench.running.originals_files import import_into, stored_hashes

    imported = import_into(data / "originals", folder, stored_hashes(database))
    _say(f"{imported.added} originals imported, {imported.known} known already")


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)
