"""The verbs of the results database itself: `unlearnbench store ...`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from unlearnbench.cli.common import DATABASE, Data, app, err, out

if TYPE_CHECKING:
    from unlearnbench.store.merge import Conflict

store_app = typer.Typer(help="Look after the results database: look, merge, export, check, upgrade.")
app.add_typer(store_app, name="store", no_args_is_help=True)

Url = Annotated[str, typer.Argument(metavar="URL", help="Results database: a SQLAlchemy URL or an SQLite file.")]
OneSuite = Annotated[str | None, typer.Option(metavar="NAME", help="Only this suite; all by default.")]


class Format(StrEnum):
    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


@store_app.command()
def info(url: Url = DATABASE) -> None:
    """Show what a store holds: suites, trials, methods, versions, hardware."""
    from unlearnbench.store.info import info as look
    from unlearnbench.store.store import Store

    with Store(url, create=False) as store:
        found = look(store.engine)
    table = Table("suite", "runs", "methods", "finished", "failed", "missing", "last run (UTC)")
    for suite in found.suites:
        counts = (suite.runs, suite.methods, suite.finished, suite.failed, suite.missing)
        table.add_row(suite.name, *map(str, counts), f"{suite.last_run:%Y-%m-%d %H:%M}")
    out.print(table)
    _say(f"schema version: {found.schema_version}")
    _say(f"size: {found.size / 2**20:.1f} MiB")
    _say(f"runs: {found.runs}")
    _say(f"trials: {found.trials}")
    _say(f"methods: {', '.join(found.methods)}")
    for name, values in (("versions", found.versions), ("hardware", found.hardware)):
        for value in values:
            _say(f"{name}: {value}")


@store_app.command()
def merge(
    others: Annotated[list[str], typer.Argument(metavar="OTHER...", help="Stores to read: URLs or SQLite files.")],
    into: Annotated[str, typer.Option(metavar="URL", help="Store to add to; it is made if it is not there.")],
) -> None:
    """Add the rows of other stores to one; what disagrees is shown, and stays as it is."""
    from unlearnbench.store.merge import merge as merge_stores
    from unlearnbench.store.store import Store

    conflicts: list[Conflict] = []
    with Store(into) as target:
        for other in others:
            with Store(other, create=False) as source:
                merged = merge_stores(source, target)
            _say(f"{other}: {merged.added['trials']} trials added, {merged.known['trials']} known already")
            conflicts += merged.conflicts
    if conflicts:
        columns = ("table", "key", "method", "problem", "field", "kept", "other")
        out.print(_table(columns, [[getattr(item, name) for name in columns] for item in conflicts]))
        _complain(f"{len(conflicts)} conflicts: {into} keeps what it said; all else was merged")


@store_app.command()
def export(
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write.")],
    url: Url = DATABASE,
    form: Annotated[Format, typer.Option("--format", help="Kind of file.")] = Format.csv,
    suite: OneSuite = None,
) -> None:
    """Write every planned trial with its context to a file, one row each."""
    from unlearnbench.report.export import export as write
    from unlearnbench.store.store import Store

    with Store(url, create=False) as store:
        count = write(store.engine, out_file, form.value, suite)
    _say(f"{count} trials written to {out_file}")


@store_app.command()
def recompute(url: Url = DATABASE, suite: OneSuite = None, data: Data = Path("data")) -> None:
    """Compute every stored metric again from the stored predictions, and show what differs."""
    from unlearnbench.engine.recompute import recompute as check
    from unlearnbench.store.store import Store

    with Store(url, create=False) as store:
        result = check(store, data, suite=suite)
    note = f"; {result.without_score} were recorded without a selection score" if result.without_score else ""
    _say(f"{result.trials} finished trials recomputed{note}")
    if result.differences:
        columns = ("trial", "method", "problem", "metric", "stored", "recomputed")
        out.print(_table(columns, [[getattr(item, name) for name in columns] for item in result.differences]))
        _complain(f"{len(result.differences)} stored values are not what the stored predictions say")


@store_app.command()
def upgrade(url: Url = DATABASE) -> None:
    """Bring a store that an older version wrote to this version's tables; nothing in it is lost."""
    from unlearnbench.store.migrations import upgrade as bring

    before, after = bring(url)
    _say(f"schema version {after} already" if before == after else f"upgraded from schema version {before} to {after}")


def _table(columns: tuple[str, ...], rows: list[list[Any]]) -> Table:
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for row in rows:
        cells = [repr(value) if isinstance(value, float) else str(value) for value in row]
        cells = [cell[:12] if name in ("key", "trial") else cell for name, cell in zip(columns, cells, strict=True)]
        table.add_row(*map(escape, cells))
    return table


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def _complain(line: str) -> None:
    err.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
