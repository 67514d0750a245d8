"""Engines on SQLite (write-ahead log) or PostgreSQL, and transactions on them."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from unlearnbench.errors import KEPT, HarnessError, UsageError

LOCK = 0x756E6C6561726E  # key of a PostgreSQL advisory lock: "unlearn" in ASCII


class NoStoreError(UsageError):
    """There is no store yet: no file, or an empty database."""


def url_of(path_or_url: str) -> str:
    """The argument itself if it is a SQLAlchemy URL, else the URL of that SQLite file."""
    return path_or_url if "://" in path_or_url else f"sqlite:///{path_or_url}"


def connect(path_or_url: str, *, create: bool) -> Engine:
    """Create an engine without connecting. Without `create`, an SQLite file must exist, and its journal mode stays.

    Raises:
        NoStoreError: the SQLite file does not exist.
        UsageError: the URL is not one of SQLite or PostgreSQL, or the folder of the file cannot be created.
    """
    try:
        url = make_url(url_of(path_or_url))
        backend = url.get_backend_name()
        if backend == "sqlite" and url.database in (None, "", ":memory:"):
            raise UsageError(f"'{shown(path_or_url)}' names no file: a store must be on disk")
        if backend == "sqlite" and url.database:
            if not create and not Path(url.database).is_file():
                raise NoStoreError(f"no results database at {url.database}: run a suite first, or choose another")
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"'{shown(path_or_url)}' is not a usable database URL: {error}; for PostgreSQL use postgresql+psycopg://"
            " and install unlearnbench[postgresql]"
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise UsageError(f"'{shown(path_or_url)}' is not a usable database URL: {error}") from error
    except OSError as error:
        raise UsageError(f"cannot open the results database '{shown(path_or_url)}': {error}") from error
    if backend not in ("sqlite", "postgresql"):
        raise UsageError(f"'{shown(path_or_url)}' is not a usable database URL: use SQLite or PostgreSQL")
    if backend == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        if create:
            event.listen(engine, "connect", _keep_a_log)
    return engine


@contextmanager
def explained(path_or_url: str) -> Iterator[None]:
    """Turn database errors into a `UsageError`."""
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise UsageError(f"cannot open the results database '{shown(path_or_url)}': {first_line(error)}") from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction: stores everything or nothing.

    Raises:
        HarnessError: the database cannot be written, e.g. a full disk or a lost server.
        IntegrityError: a row violates a constraint.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise HarnessError(f"cannot write the results database '{engine.url}': {first_line(error)}; {KEPT}") from error


def first_line(error: Exception) -> str:
    """The database's message without the statement and its values."""
    return next(iter(str(getattr(error, "orig", error)).splitlines()), type(error).__name__)


def begin_alone(connection: Connection) -> None:
    """Begin a transaction after all others begun this way have ended; it sees their changes."""
    connection.rollback()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def begin_snapshot(connection: Connection) -> None:
    """Begin a transaction whose reads all see the database as of the first one."""
    connection.rollback()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def shown(path_or_url: str) -> str:
    """The argument with any password masked."""
    return re.sub(r"(//[^:/]*):.*@", r"\1:***@", path_or_url)


def _configure_sqlite(connection: object, _record: object) -> None:
    _execute(connection, "PRAGMA busy_timeout=30000")
    _execute(connection, "PRAGMA foreign_keys=ON")


def _keep_a_log(connection: object, _record: object) -> None:
    """Switch to a write-ahead log, so that reports can read while a run writes. Changes the file."""
    # SQLite does not wait for the lock that the first change of a file's journal mode takes.
    deadline = time.monotonic() + 30
    while True:
        try:
            return _execute(connection, "PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _execute(connection: object, pragma: str) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute(pragma)
    cursor.close()
