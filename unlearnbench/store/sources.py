"""Read the store of somebody else. It may have been made to mislead, to hang or to fill the memory of its reader.

An SQLite file is opened read-only and stays as it is; a PostgreSQL server is asked in a read-only transaction. Only the
known tables are read, and only if they are tables with the known columns. Values are not interpreted by the database
layer, and nothing is believed before `store.checks` has seen it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    DateTime,
    LargeBinary,
    Table,
    column,
    create_engine,
    event,
    select,
    table,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from unlearnbench.errors import UsageError, masked
from unlearnbench.store.connection import connect, first_line, journals, open_read_only, url_of
from unlearnbench.store.migrations import check, stored_version
from unlearnbench.store.schema import TABLES
from unlearnbench.store.store import Values

SECONDS = 60.0
"""How long the source may take to give the next rows."""
LARGEST = 4 * 2**20
"""Bytes of the largest value that is read."""
BATCH = 20
"""Rows in memory at a time."""
VERSION = "alembic_version"

Read = Callable[[Table], Iterable[Values]]
"""Gives the rows of a table, in the source's order."""


@contextmanager
def opened(path_or_url: str) -> Iterator[tuple[Read, str | None]]:
    """Open the store of somebody else; yields its rows by table, and the SHA-256 of its file, if it is a file.

    Raises:
        UsageError: it cannot be read, is no store of this schema version, or has something in the place of a table.
    """
    engine = connect(path_or_url, create=False)  # checks the URL, and that there is a file
    name = name_of(path_or_url)
    file = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
    digest = None
    with ExitStack() as stack:
        with _explained(name):
            if file is not None:
                digest = _sha256(file)
                engine = create_engine(f"sqlite:///{file}", creator=partial(_open_file, file), poolclass=NullPool)
                event.listen(engine, "before_cursor_execute", _begin_to_wait)
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            if file is not None:
                connection.exec_driver_sql("BEGIN")
                _check_file(connection, name)
            else:
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
                connection.execute(text(f"SET LOCAL statement_timeout = {int(1000 * SECONDS)}"))
                _check_server(connection, name)
        yield partial(_rows, connection, name), digest
    if file is not None and digest != _sha256(file) and not journals(file):
        raise UsageError(f"{name} was changed while it was read: merge it again when nobody writes to it")


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn an error of the source into a `UsageError`."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, OSError, UnicodeDecodeError) as error:
        says = first_line(error)
        if says == "interrupted":
            says = f"it took longer than {SECONDS:.0f} seconds to give its next rows"
        raise UsageError(f"cannot read {name}: {says}; nothing of it was added") from error


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    for part in (file, *journals(file)):
        with part.open("rb") as opened_file:
            while block := opened_file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _open_file(file: Path) -> sqlite3.Connection:
    connection = open_read_only(file)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for pragma in ("query_only=ON", "trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _begin_to_wait(connection: Connection, *_statement: object) -> None:
    """Interrupt what takes longer than `SECONDS` from now."""
    raw, end = connection.connection.driver_connection, time.monotonic() + SECONDS
    assert isinstance(raw, sqlite3.Connection)
    raw.set_progress_handler(lambda: time.monotonic() > end, 10_000)


def _check_file(connection: Connection, name: str) -> None:
    known = {of.name for of in TABLES} | {VERSION}
    entries = connection.exec_driver_sql("SELECT type, name, tbl_name, rootpage FROM sqlite_master").all()
    for kind, entry, of, page in entries:
        if str(entry).lower() in known and not (kind == "table" and entry in known and page):
            raise UsageError(f"{name}: '{entry}' is not a plain table: it is not a store as unlearnbench writes it")
        if kind == "trigger" and str(of).lower() in known:
            raise UsageError(f"{name}: table '{of}' has a trigger: it is not a store as unlearnbench writes it")
    check(connection, stored_version(connection))
    for of in TABLES:
        columns = connection.exec_driver_sql(f"PRAGMA table_xinfo({of.name})").all()
        _check_columns(name, of, [column[1] for column in columns], any(column[6] for column in columns))


def _check_server(connection: Connection, name: str) -> None:
    kind = text(
        "SELECT relkind::text, EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal)"
        " FROM pg_class c WHERE c.oid = to_regclass(:name)"
    )
    for known in (VERSION, *(of.name for of in TABLES)):
        for relation, triggered in connection.execute(kind, {"name": known}):
            if relation != "r" or triggered:
                raise UsageError(f"{name}: '{known}' is not a plain table: it is not a store as unlearnbench writes it")
    check(connection, stored_version(connection))
    columns = text(
        "SELECT attname, attgenerated <> '' FROM pg_attribute"
        " WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped"
    )
    for of in TABLES:
        found = connection.execute(columns, {"name": of.name}).all()
        _check_columns(name, of, [column for column, _ in found], any(generated for _, generated in found))
        sizes = [f"max(octet_length({_as_bytes(item)}))" for item in of.columns if _is_long(item.type)]
        largest = connection.execute(text(f"SELECT greatest({', '.join(sizes)}) FROM {of.name}")).scalar()
        if (largest or 0) > LARGEST:
            raise UsageError(f"{name}: table '{of.name}' has a value of {largest} bytes, over {LARGEST}")


def _is_long(kind: Any) -> bool:
    return isinstance(kind, JSON | LargeBinary) or kind.python_type is str


def _as_bytes(item: Any) -> str:
    return f'"{item.name}"' if isinstance(item.type, LargeBinary) else f'"{item.name}"::text'


def _check_columns(name: str, of: Table, found: list[str], generated: bool) -> None:
    if generated or sorted(found) != sorted(of.columns.keys()):
        raise UsageError(f"{name}: table '{of.name}' has other columns than those of a store that unlearnbench writes")


def _rows(connection: Connection, name: str, of: Table) -> Iterator[Values]:
    with _explained(name):  # here too: whoever reads must not take it for an error of what it writes to
        yield from _raw(connection, of)


def _raw(connection: Connection, of: Table) -> Iterator[Values]:
    # Columns without types: SQLAlchemy's would be applied before anything is checked.
    names = of.columns.keys()
    query: Any = select(*(column(name) for name in names)).select_from(table(of.name))
    result = connection.execute(query.execution_options(yield_per=BATCH))
    sqlite = connection.dialect.name == "sqlite"
    for batch in result.partitions():
        if sqlite:
            _begin_to_wait(connection)
        for row in batch:
            yield {
                name: _decoded(of.columns[name].type, value) if sqlite else value
                for name, value in zip(names, row, strict=True)
            }


def _decoded(kind: Any, value: Any) -> Any:
    """What SQLite stores for a value of this type, as that value; as it is if it stands for none."""
    try:
        if isinstance(kind, JSON) and isinstance(value, str):
            return json.loads(value)
        if isinstance(kind, DateTime) and isinstance(value, str):
            return datetime.fromisoformat(value)
    except (ValueError, RecursionError):
        return value
    if isinstance(kind, Boolean) and value in (0, 1):
        return bool(value)
    return value


def name_of(path_or_url: str) -> str:
    """The name of a source: what was typed, without password and options."""
    if "://" not in path_or_url:
        return path_or_url
    url = make_url(url_of(path_or_url))
    return (url.database or "") if url.get_backend_name() == "sqlite" else masked(str(url.set(query={})))
