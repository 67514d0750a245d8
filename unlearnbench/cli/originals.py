"""Commands on original models: `unlearnbench originals ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearnbench.cli.common import (
    STORE,
    Data,
    Database,
    OnlySeeds,
    SeedsFrom,
    StoredSuite,
    Suites,
    app,
    say,
    stoppable,
)
from unlearnbench.library import DATABASE

originals_app = typer.Typer(help="Export and import original models.")
app.add_typer(originals_app, name="originals", no_args_is_help=True, rich_help_panel=STORE)


@originals_app.command(epilog="Example: `unlearnbench originals export digits --out originals`")
def export(
    suite: StoredSuite,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to create.")],
    seed: OnlySeeds = None,
    database: Database = DATABASE,
    data: Data = Path("data"),
    suites: Suites = None,
    seeds_from: SeedsFrom = None,
) -> None:
    """Export the original models of a suite.

    Writes the originals that the trials on the board start from, with an index. An audited board needs the file of its
    seeds: publish it too, because an original knows which samples are corrupted.
    """
    from unlearnbench import library

    with stoppable("Stopped. Nothing was exported."):
        count = library.export_originals(
            suite, folder, seeds_from=seeds_from, seeds=seed or (), database=database, data=data, suites=suites
        )
    say(f"{count} originals written to {folder}")


@originals_app.command("import", epilog="Example: `unlearnbench originals import originals`")
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder written by `unlearnbench originals export`.")],
    database: Database = DATABASE,
    data: Data = Path("data"),
) -> None:
    """Import exported original models.

    Trials that run here afterwards start from the same weights.
    """
    from unlearnbench import library

    with stoppable("Stopped. The same command imports what is missing."):
        imported = library.import_originals(folder, database=database, data=data)
    say(f"{imported.added} originals imported, {imported.known} known already")
