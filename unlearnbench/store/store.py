"""The results database behind a small interface: SQLite (WAL) by default, any SQLAlchemy URL."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from unlearnbench.errors import UsageError
from unlearnbench.store.schema import SCHEMA_VERSION, Base, OriginalRow, RunRow, SchemaRow, TrialRow


def url_of(path_or_url: str) -> str:
    """A SQLAlchemy URL: the argument itself, or SQLite on that file."""
    return path_or_url if "://" in path_or_url else f"sqlite:///{path_or_url}"


class Store:
    """The only way in: rows are added in one transaction each and never changed, but for a run's end.

    Raises:
        UsageError: a URL that cannot be opened, something that is not a store, or a store of another schema version.
    """

    def __init__(self, path_or_url: str, *, create: bool = True):
        try:
            url = make_url(url_of(path_or_url))
            if url.get_backend_name() == "sqlite" and url.database:
                if not create and not Path(url.database).is_file():
                    raise UsageError(f"no results database at {url.database}: run a suite first, or give --database")
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine: Engine = create_engine(url)
            if url.get_backend_name() == "sqlite":
                event.listen(self.engine, "connect", _configure_sqlite)
            self._open()
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
            raise UsageError(f"'{_shown(path_or_url)}' is not a usable database URL: {error}") from error
        except (DBAPIError, OSError) as error:
            first = str(getattr(error, "orig", error)).splitlines()[0]
            raise UsageError(f"the results database '{_shown(path_or_url)}' cannot be opened: {first}") from error

    def _open(self) -> None:
        with self.engine.connect() as connection:
            if not inspect(connection).get_table_names():
                connection.rollback()
                if connection.dialect.name == "sqlite":
                    # Two harnesses that start at once must not both create: the second waits, then finds the tables.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                if not inspect(connection).get_table_names():
                    Base.metadata.create_all(connection)
                    connection.execute(insert(SchemaRow).values(version=SCHEMA_VERSION))
                connection.commit()
            if SchemaRow.__tablename__ not in inspect(connection).get_table_names():
                raise UsageError(f"{self.engine.url} is a database, but not a results database: give another one")
            version = connection.scalars(select(SchemaRow.version)).one()
        if version != SCHEMA_VERSION:
            raise UsageError(
                f"{self.engine.url} has schema version {version}, this version reads {SCHEMA_VERSION}:"
                " use the version of unlearnbench that wrote it"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.dispose()

    def add(self, rows: Iterable[Base]) -> None:
        """Add rows in one transaction; a row whose key is already stored stays as it is."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            for row in rows:
                if session.get(type(row), inspect(type(row)).primary_key_from_instance(row)) is None:
                    session.add(row)
                    session.flush()

    def finish_run(self, run_id: str, at: datetime) -> None:
        """Note the end of a run."""
        with Session(self.engine) as session, session.begin():
            session.get_one(RunRow, run_id).finished_at = at

    def stored_trials(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that have a record."""
        with Session(self.engine) as session:
            return {
                key
                for start in range(0, len(keys), 500)
                for key in session.scalars(select(TrialRow.key).where(TrialRow.key.in_(keys[start : start + 500])))
            }

    def original(self, key: str) -> OriginalRow | None:
        with Session(self.engine) as session:
            return session.get(OriginalRow, key)


def _shown(path_or_url: str) -> str:
    """The argument without a password."""
    return re.sub(r"(//[^:/]*):.*@", r"\1:***@", path_or_url)


def _configure_sqlite(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA busy_timeout=30000")  # first: what follows may have to wait for another harness
    # Only the first to open a new file changes its mode; SQLite does not wait for the lock of that change by itself.
    deadline = time.monotonic() + 30
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
