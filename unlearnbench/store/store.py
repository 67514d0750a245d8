"""The store: writes and key look-ups on the results database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import indent
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Table, func, inspect, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from unlearnbench.errors import UsageError
from unlearnbench.store.connection import NoStoreError, begin_alone, connect, explained, keep_a_log, writing
from unlearnbench.store.migrations import check, create, stored_version
from unlearnbench.store.origins import entries, made_here
from unlearnbench.store.outages import persistent
from unlearnbench.store.schema import TABLES, Base, OriginalRow, PredictionRow, RunRow, SubmissionRow, TrialRow

Values = Mapping[str, Any]
"""A row: its values by column name."""

Key = tuple[str, ...]
Rows = dict[str, dict[Key, Values]]
"""Rows by table name and primary key."""

DESCRIPTIVE = ("title", "authors", "paper", "license", "role")
"""Columns that describe a submission. They affect no result and are part of no key."""

SHARED = ("problems", "originals", "submissions")
"""Tables of what trials share."""
LONGEST_EARLIER = 16_000
"""Characters of earlier failures that a record keeps."""
LAST_DAY = datetime(9000, 1, 1)
"""No clock says this, so a run that does is ignored: nothing could come after it."""


def key_of(table: Table, row: Values) -> Key:
    """The primary key of a row."""
    return tuple(row[column.name] for column in table.primary_key)


def insert_new(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert the rows whose key is not stored yet; safe with concurrent writers.

    Raises:
        UsageError: the database cannot hold a value, e.g. a title that is too long.
    """
    if not rows:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    # Always in the same order, so that two harnesses with the same rows cannot deadlock.
    ordered = sorted(rows, key=lambda row: key_of(table, row))
    storable = [{name: _storable(value) for name, value in row.items()} for row in ordered]
    try:
        connection.execute(insert(table).on_conflict_do_nothing(), storable)
    except DataError as error:
        first = str(error.orig).splitlines()[0]
        raise UsageError(f"{connection.engine.url} cannot hold a row of '{table.name}': {first}") from error


def _storable(value: Any) -> Any:
    """Replace NULs and lone surrogates, which a submission may print and databases refuse."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value


def _replace(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Replace the stored rows with these keys that came from an origin."""
    elsewhere = entries(connection, table.name, ["/".join(key_of(table, row)) for row in rows])
    for row in rows:
        if row["key"] in elsewhere:
            connection.execute(update(table).where(table.c.key == row["key"]).values(dict(row)))
            made_here(connection, table.name, [row["key"]])


def _with_failure(failure: TrialRow) -> str:
    """What `earlier` says once this record is replaced. It keeps the end if that is long."""
    line = f"{failure.created_at:%Y-%m-%d %H:%M} UTC, run {failure.run_id}: {failure.reason}"
    detail = indent((failure.detail or "").rstrip(), "    ")
    return "\n".join(part for part in (failure.earlier, line, detail) if part)[-LONGEST_EARLIER:]


class Store:
    """A results database. A finished record never changes, and a failed one only by `replace_failure`.

    As a context it closes the database at the end, and names a damaged row as the cause of an error if there is one.

    Raises:
        NoStoreError: there is no store and `create` is False.
        UsageError: the URL cannot be opened, is not a store, or has another schema version.
    """

    def __init__(self, path_or_url: str, *, create: bool = True):
        self.engine: Engine = connect(path_or_url, create=create)
        with explained(path_or_url):
            self._open(create)
            if create:
                keep_a_log(self.engine)

    def _open(self, may_create: bool) -> None:
        with self.engine.connect() as connection:
            version = stored_version(connection)
            if version == 0 and not may_create:
                raise NoStoreError(f"no results database at {self.engine.url}: the database is empty")
            if version == 0:
                begin_alone(connection)  # two harnesses that start at once must not both create the tables
                version = stored_version(connection)
                if version == 0:
                    create(connection)
                    version = stored_version(connection)
                connection.commit()
            check(connection, version)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.dispose()
        if error is not None:
            from unlearnbench.store.damage import refuse_damaged  # imports this module, and torch

            refuse_damaged(self.engine, error)

    @persistent
    def add(self, rows: Iterable[Base]) -> None:
        """Add rows that were made here, in one transaction; rows whose key is stored already are skipped.

        What trials share replaces what an origin said of it. Its records stay: their trials are not run again.
        """
        values: dict[Table, list[Values]] = {}
        for row in rows:
            table = inspect(type(row)).local_table
            assert isinstance(table, Table)
            values.setdefault(table, []).append({column.name: getattr(row, column.name) for column in table.columns})
        with writing(self.engine) as connection:
            for table in TABLES:
                if table.name in SHARED:
                    _replace(connection, table, values.get(table, []))
                insert_new(connection, table, values.get(table, []))

    @persistent
    def failed_trials(self, keys: Sequence[str]) -> dict[str, str]:
        """The keys whose record is a failure, with the run that recorded it."""
        with Session(self.engine) as session:
            query = select(TrialRow.key, TrialRow.run_id).where(TrialRow.state == "failed")
            return {
                key: run
                for start in range(0, len(keys), 500)
                for key, run in session.execute(query.where(TrialRow.key.in_(keys[start : start + 500])))
            }

    @persistent
    def replace_failure(self, trial: TrialRow, predictions: PredictionRow | None) -> None:
        """Replace the record of a failed trial by that of running it again, which keeps the failure in `earlier`."""
        values = {column.name: _storable(getattr(trial, column.name)) for column in TrialRow.__table__.columns}
        with writing(self.engine) as connection, Session(connection) as session:
            failure = session.get_one(TrialRow, trial.key, with_for_update=True)
            if failure.run_id == trial.run_id:  # it has been replaced, and only the answer was lost
                return
            if failure.state != "failed":
                raise ValueError(f"trial {trial.key} did not fail")
            values["earlier"] = _with_failure(failure)
            connection.execute(update(TrialRow).where(TrialRow.key == trial.key).values(values))
            made_here(connection, TrialRow.__tablename__, [trial.key])
            if predictions is not None:
                session.add(predictions)
            session.flush()

    @persistent
    def describe(self, submissions: Iterable[SubmissionRow]) -> None:
        """Update the `DESCRIPTIVE` columns of stored submissions; no trial is run again for that."""
        with writing(self.engine) as connection:
            for row in sorted(submissions, key=lambda row: row.key):
                values = {name: _storable(getattr(row, name)) for name in DESCRIPTIVE}
                connection.execute(update(SubmissionRow).where(SubmissionRow.key == row.key).values(values))

    @persistent
    def finish_run(self, run_id: str, at: datetime) -> None:
        """Store the end of a run."""
        with writing(self.engine) as connection:
            connection.execute(update(RunRow).where(RunRow.id == run_id).values(finished_at=at))

    @persistent
    def after_all_runs(self, at: datetime) -> datetime:
        """This time, or just after the latest start of a stored run if the clock has been set back."""
        with Session(self.engine) as session:
            last = session.scalar(select(func.max(RunRow.started_at)).where(RunRow.started_at < LAST_DAY))
        return at if last is None else max(at, last + timedelta(microseconds=1))

    @property
    def files(self) -> list[Path]:
        """The file of an SQLite database. Empty for PostgreSQL."""
        return [Path(self.engine.url.database or "")] if self.engine.dialect.name == "sqlite" else []

    @persistent
    def stored_trials(self, keys: Sequence[str]) -> set[str]:
        """The keys that have a record."""
        with Session(self.engine) as session:
            return {
                key
                for start in range(0, len(keys), 500)
                for key in session.scalars(select(TrialRow.key).where(TrialRow.key.in_(keys[start : start + 500])))
            }

    @persistent
    def original(self, key: str) -> OriginalRow | None:
        with Session(self.engine) as session:
            return session.get(OriginalRow, key)
