"""Commands on the results database itself: `unlearnbench store ...`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from unlearnbench.cli.common import (
    STORE,
    Data,
    Database,
    OnlySeeds,
    SeedsFrom,
    StoredSuite,
    Suites,
    app,
    complain,
    out,
    say,
    stoppable,
)
from unlearnbench.library import DATABASE

if TYPE_CHECKING:
    from unlearnbench.store.merge import Merged

store_app = typer.Typer(help="Inspect, merge, export and check stores.")
app.add_typer(store_app, name="store", no_args_is_help=True, rich_help_panel=STORE)

NOTHING_ADDED = "Stopped. Nothing was added."

AddedTo = Annotated[
    str, typer.Option("--database", metavar="URL", help="Store to add to, as elsewhere; created if missing.")
]
OriginName = Annotated[
    str | None,
    typer.Option("--origin", metavar="NAME", help="Name in `store info` of what is added; default: as typed."),
]
Unverified = Annotated[
    bool, typer.Option("--unverified", help="Add records without recomputing their metrics; they are marked.")
]
OpenedSeeds = Annotated[
    list[Path] | None,
    typer.Option(
        "--seeds-from", metavar="FILE", dir_okay=False, help="Seeds of an audited board among them (repeatable)."
    ),
]
OneSuite = Annotated[str | None, typer.Option(metavar="NAME", help="Only this suite; default: all.")]


class FileFormat(StrEnum):
    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


@store_app.command(epilog="Example: `unlearnbench store info`")
def info(database: Database = DATABASE) -> None:
    """Show what a store holds.

    Lists suites, trials, methods, versions, hardware and the origins of what was merged or loaded.
    """
    from unlearnbench.store.info import info as look
    from unlearnbench.store.origins import listed
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        found, origins = look(store.engine), listed(store.engine)
    table = Table("suite", "runs", "methods", "finished", "failed", "missing", "last run (UTC)")
    for suite in found.suites:
        counts = (suite.runs, suite.methods, suite.finished, suite.failed, suite.missing)
        table.add_row(suite.name, *map(str, counts), f"{suite.last_run:%Y-%m-%d %H:%M}")
    out.print(table)
    say(f"schema version: {found.schema_version}")
    say(f"size: {found.size / 2**20:.1f} MiB")
    say(f"runs: {found.runs}")
    say(f"trials: {found.trials}")
    say(f"methods: {', '.join(found.methods)}")
    for name, values in (("versions", found.versions), ("hardware", found.hardware)):
        for value in values:
            say(f"{name}: {value}")
    for origin in origins:
        digest = f", SHA-256 {origin.sha256[:12]}" if origin.sha256 else ""
        added = f"added {origin.added_at:%Y-%m-%d %H:%M}{digest}"
        say(f"origin: {origin.label}: {origin.records} trials, {added}")


@store_app.command(epilog="Example: `unlearnbench store merge laptop.db cluster.db --database all.db`")
def merge(
    others: Annotated[list[str], typer.Argument(metavar="OTHER", help="Stores: SQLAlchemy URLs or SQLite files.")],
    database: AddedTo = DATABASE,
    origin: OriginName = None,
    unverified: Unverified = False,
    data: Data = Path("data"),
    seeds_from: OpenedSeeds = None,
) -> None:
    """Add other stores to one store.

    Checks every row and recomputes all metrics first. Where two stores disagree, the target keeps its row, the conflict
    is shown, and the exit code is 1.
    """
    from unlearnbench import library

    with stoppable(NOTHING_ADDED):
        merged = library.merge(
            others, database, origin=origin, verify=not unverified, data=data, seeds_from=seeds_from or ()
        )
    _conclude(merged, database)


@store_app.command(epilog="Example: `unlearnbench store remove-origin cluster.db`")
def remove_origin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Origin, as `store info` lists it.")],
    database: Database = DATABASE,
) -> None:
    """Delete what came from one origin.

    Deletes the rows that were merged or loaded from it and that nothing else had.
    """
    from unlearnbench import library

    deleted = library.remove_origin(name, database)
    say(f"{deleted['trials']} trials and {deleted['runs']} runs that came only from {name} deleted")


@store_app.command(epilog="Example: `unlearnbench store dump digits --out leaderboard/digits`")
def dump(
    suite: StoredSuite,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the board; existing files stay.")],
    database: Database = DATABASE,
    seed: OnlySeeds = None,
    suites: Suites = None,
    seeds_from: SeedsFrom = None,
) -> None:
    """Write the board of a suite to text files.

    Writes one file per complete seed. Trials that files in the folder already hold are left out. An audited board needs
    the file of its seeds: publish it too, because the files tell which samples are corrupted.
    """
    from unlearnbench import library

    with stoppable("Stopped. No file was written, or all were."):
        written = library.dump(suite, folder, seeds_from=seeds_from, seeds=seed or (), database=database, suites=suites)
    for file in written:
        say(f"{file} written")
    if not written:
        say(f"nothing new: the files in {folder} have all trials of the whole seeds of {suite}")


@store_app.command(epilog="Example: `unlearnbench store load leaderboard/digits/*.jsonl`")
def load(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files written by `unlearnbench store dump`.")],
    database: AddedTo = DATABASE,
    origin: OriginName = None,
    unverified: Unverified = False,
    data: Data = Path("data"),
    seeds_from: OpenedSeeds = None,
) -> None:
    """Add dumped files to a store.

    Checks every row and recomputes all metrics first. Where a file and the store disagree, the store keeps its row, the
    conflict is shown, and the exit code is 1.
    """
    from unlearnbench import library

    with stoppable(NOTHING_ADDED):
        loaded = library.load(
            files, database, origin=origin, verify=not unverified, data=data, seeds_from=seeds_from or ()
        )
    _conclude(loaded, database)


@store_app.command(epilog="Example: `unlearnbench store export --format parquet --out trials.parquet`")
def export(
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write.")],
    database: Database = DATABASE,
    form: Annotated[FileFormat, typer.Option("--format", help="File format.")] = FileFormat.csv,
    suite: OneSuite = None,
) -> None:
    """Write every planned trial to a file.

    Writes one row per trial, with its problem, original, method, metrics, times and run.
    """
    from unlearnbench.report.numbers.table import export as write
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        count = write(store.engine, out_file, form.value, suite)
    say(f"{count} trials written to {out_file}")


@store_app.command(epilog="Example: `unlearnbench store recompute`")
def recompute(
    database: Database = DATABASE, suite: OneSuite = None, data: Data = Path("data"), seeds_from: SeedsFrom = None
) -> None:
    """Recompute all metrics from predictions.

    Uses the stored predictions and runs no trial. Exits with 1 if a stored value differs. An audited suite needs the
    file of its seeds, which is checked against its commitment and its training sets.
    """
    from unlearnbench.problems.secret_seeds import read
    from unlearnbench.store.store import Store
    from unlearnbench.verify.recompute import recompute as check

    with Store(database, create=False) as store:
        result = check(store, data, suite=suite, secrets=() if seeds_from is None else (read(seeds_from),))
    note = f"; {result.without_score} were recorded without a selection score" if result.without_score else ""
    say(f"{result.trials} finished trials recomputed{note}")
    if result.differences:
        columns = ("trial", "method", "problem", "metric", "stored", "recomputed")
        out.print(_table(columns, result.differences))
        _fail(f"stored values that differ from recomputed ones: {len(result.differences)}")


@store_app.command(epilog="Example: `unlearnbench store upgrade`")
def upgrade(database: Database = DATABASE) -> None:
    """Upgrade a store from an older version.

    Changes the tables to those of this version. No data is lost.
    """
    from unlearnbench.store.migrations import upgrade as bring

    before, after = bring(database)
    say(
        f"already at schema version {after}" if before == after else f"upgraded from schema version {before} to {after}"
    )


def _conclude(merged: Mapping[str, Merged], database: str) -> None:
    """Print what became of the rows of each source. Exits with 1 if there were conflicts."""
    conflicts = 0
    for source, found in merged.items():
        say(f"{source}: {found.added['trials']} trials added, {found.known['trials']} known already")
        if found.conflicts:
            columns = ("table", "key", "method", "problem", "field", "kept", "other")
            out.print(_table(columns, found.conflicts))
        conflicts += len(found.conflicts)
    if conflicts:
        _fail(f"{conflicts} conflict{'s' * (conflicts > 1)}: {database} keeps its rows; all others were merged")


def _table(columns: Sequence[str], items: Sequence[object]) -> Table:
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for item in items:
        table.add_row(*(_cell(name, getattr(item, name)) for name in columns))
    return table


def _cell(name: str, value: object) -> str:
    if name in ("key", "trial"):  # the start of a hash identifies it
        return str(value)[:12]
    return repr(value) if isinstance(value, float) else str(value)


def _fail(line: str) -> None:
    complain(line, "red")
    raise typer.Exit(1)
