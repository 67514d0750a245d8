"""Engines on SQLite (write-ahead log) or PostgreSQL, and transactions on them."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, OperationalError

from unlearnbench.errors import KEPT, HarnessError, UsageError

ESCAPE = "write the special characters of user and password as %XX, such as %2F for /"
LOCK = 0x756E6C6561726E  # key of a PostgreSQL advisory lock: "unlearn" in ASCII


class NoStoreError(UsageError):
    """There is no store yet: no file, or an empty database."""


def url_of(path_or_url: str) -> str:
    """The argument itself if it is a SQLAlchemy URL, else the URL of that SQLite file."""
    return path_or_url if "://" in path_or_url else f"sqlite:///{path_or_url}"


def connect(path_or_url: str, *, create: bool) -> Engine:
    """Create an engine. Without `create`, an SQLite file must exist; one that cannot be written can still be read.

    Raises:
        NoStoreError: the SQLite file does not exist.
        UsageError: the URL is not one of SQLite or PostgreSQL, the SQLite file is not a store, or it or its folder
            cannot be created.
    """
    url = _parsed(path_or_url)
    if url.get_backend_name() == "sqlite":
        return _connect_file(url, path_or_url, create)
    try:
        return create_engine(url, pool_pre_ping=True)  # the server may have been restarted since
    except ModuleNotFoundError as error:
        raise UsageError(
            f"'{path_or_url}' is not a usable database URL: {error}; for PostgreSQL use postgresql+psycopg://"
            " and install unlearnbench[postgresql]"
        ) from error
    except (ArgumentError, ValueError) as error:
        raise UsageError(f"'{path_or_url}' is not a usable database URL: {error}") from error


def _parsed(path_or_url: str) -> URL:
    if slip := re.match(r"(sqlite|postgresql)[\w+]*:(?!//)", path_or_url, re.IGNORECASE):
        raise UsageError(f"the database begins with '{slip[0]}': a URL has two slashes there, {slip[0]}//")
    try:
        url = make_url(url_of(path_or_url))
        backend = url.get_backend_name()
        url.get_dialect()
    except ModuleNotFoundError:
        pass  # `create_engine` says which
    except NoSuchModuleError as error:
        raise UsageError(f"'{path_or_url}' is not a usable database URL: {error}") from error
    except (ArgumentError, ValueError) as error:  # its text may have a piece of the password
        raise UsageError(f"'{path_or_url}' is not a usable database URL: {ESCAPE}") from error
    if "@" in (url.host or ""):
        raise UsageError(f"'{path_or_url}' is not a usable database URL: {ESCAPE}")
    if backend not in ("sqlite", "postgresql"):
        raise UsageError(f"'{path_or_url}' is not a usable database URL: use SQLite or PostgreSQL")
    return url


def _connect_file(url: URL, path_or_url: str, create: bool) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise UsageError(f"'{path_or_url}' names no file: a store must be on disk")
    file = Path(url.database or "")
    if not create and not file.is_file():
        raise NoStoreError(f"no results database at {file}: run a suite first, or choose another")
    readable = not create and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK))
    try:
        engine = create_engine(url, creator=partial(open_read_only, file)) if readable else create_engine(url)
    except (ModuleNotFoundError, ArgumentError, ValueError) as error:
        raise UsageError(f"'{path_or_url}' is not a usable database URL: {error}") from error
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.touch()  # SQLite would create it for its owner alone to write, whatever the umask
    except OSError as error:
        raise UsageError(f"cannot open the results database '{path_or_url}': {error}") from error
    _refuse_foreign(file)
    event.listen(engine, "connect", _configure_sqlite)
    return engine


def open_read_only(file: Path) -> sqlite3.Connection:
    """Open an SQLite file without changing it.

    Without `immutable`, SQLite makes files beside it, which takes the right to write to the folder.
    """
    how = "mode=ro" if journals(file) else "mode=ro&immutable=1"
    return sqlite3.connect(f"file:{quote(str(file.resolve()))}?{how}", uri=True, timeout=30, check_same_thread=False)


def journals(file: Path) -> list[Path]:
    """What SQLite keeps beside a file that is open, or was not closed."""
    beside = [Path(f"{file}{end}") for end in ("-wal", "-journal")]
    return [path for path in beside if path.exists() and path.stat().st_size]


def _refuse_foreign(file: Path) -> None:
    """Refuse the database of another program before it is opened to be written: closing it would already change it.

    Raises:
        UsageError: it has tables, and none of a store.
    """
    try:
        with closing(open_read_only(file)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.Error, UnicodeDecodeError):  # the message of an error may hold damaged text
        return  # whoever opens it says why it cannot be read
    if names and "planned_trials" not in names:
        raise UsageError(f"{file} is not a results database: choose another one")


@contextmanager
def explained(path_or_url: str) -> Iterator[None]:
    """Turn database errors into a `UsageError`."""
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise UsageError(f"cannot open the results database '{path_or_url}': {first_line(error)}") from error


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


def _configure_sqlite(connection: object, _record: object) -> None:
    _execute(connection, "PRAGMA busy_timeout=30000")
    _execute(connection, "PRAGMA foreign_keys=ON")


def keep_a_log(engine: Engine) -> None:
    """Switch an SQLite file to a write-ahead log, so that reports can read while a run writes. Changes the file."""
    if engine.dialect.name != "sqlite":
        return
    # SQLite does not wait for the lock that the first change of a file's journal mode takes.
    deadline = time.monotonic() + 30
    while True:
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            return
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _execute(connection: object, pragma: str) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute(pragma)
    cursor.close()
