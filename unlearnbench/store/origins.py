"""Where rows come from: those that were merged or loaded have an origin, those of runs on this store have none.

Each row has an entry for every origin that has it. A row that was made here has none, also if an origin has it too.
So an origin can be removed with exactly what came from it alone, and it cannot replace what was there before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, and_, delete, func, insert, or_, select, update

from unlearnbench.errors import UsageError, unknown
from unlearnbench.store.connection import begin_alone
from unlearnbench.store.schema import Base, OriginEntryRow, OriginRow, PlannedTrialRow

ENTRIES = Base.metadata.tables[OriginEntryRow.__tablename__]
CHUNK = 500
HERE = 0
"""Comes before the number of every origin."""


@dataclass(frozen=True)
class Origin:
    """A source whose rows are to be added.

    Attributes:
        sha256: of its file; None if it is no file.
        verified: whether its metrics were recomputed from its predictions.
        chosen: whether a person chose the name, which may then stand for several files.
    """

    name: str
    sha256: str | None
    verified: bool
    chosen: bool = False


@dataclass(frozen=True)
class OriginInfo:
    """An origin in a store, and the number of records that it has."""

    name: str
    sha256: str | None
    added_at: datetime
    verified: bool
    records: int

    @property
    def label(self) -> str:
        return self.name if self.verified else f"{self.name} (unverified)"


def register(connection: Connection, origin: Origin) -> int:
    """Store an origin, or what is new about it; returns its number.

    Raises:
        UsageError: another file was added under this name, which nobody chose.
    """
    if not 0 < len(origin.name) <= 200 or not origin.name.isprintable():
        raise UsageError(f"{origin.name!a:.80} cannot be the name of an origin: choose one with --origin NAME")
    now = datetime.now(UTC).replace(tzinfo=None)
    values = {"name": origin.name, "sha256": origin.sha256, "added_at": now, "verified": origin.verified}
    known = connection.execute(
        select(OriginRow.id, OriginRow.sha256, OriginRow.verified).where(OriginRow.name == origin.name)
    ).one_or_none()
    if known is None:
        number: int = connection.execute(insert(OriginRow).values(values).returning(OriginRow.id)).scalar_one()
        return number
    if known.sha256 == origin.sha256:
        values["verified"] = origin.verified or known.verified
        del values["added_at"]  # nothing is new
    elif not origin.chosen:
        raise UsageError(
            f"another file was added under the name '{origin.name}': if this is a newer copy of it, add"
            f" `--origin '{origin.name}'`, else choose another name with --origin"
        )
    else:
        values["verified"] = origin.verified and known.verified
    connection.execute(update(OriginRow).where(OriginRow.id == known.id).values(values))
    number = known.id
    return number


def enter(connection: Connection, origin: int, table: str, keys: Iterable[str]) -> None:
    """Note that an origin has these rows."""
    wanted = list(keys)
    known = {key for key, origins in entries(connection, table, wanted).items() if origin in origins}
    new = [{"table_name": table, "key": key, "origin_id": origin} for key in wanted if key not in known]
    if new:
        connection.execute(insert(OriginEntryRow), new)


def entries(connection: Connection, table: str, keys: Collection[str]) -> dict[str, set[int]]:
    """The origins of those of the rows that have some."""
    found: dict[str, set[int]] = {}
    wanted = list(keys)
    for start in range(0, len(wanted), CHUNK):
        query = select(OriginEntryRow.key, OriginEntryRow.origin_id).where(
            OriginEntryRow.table_name == table, OriginEntryRow.key.in_(wanted[start : start + CHUNK])
        )
        for key, origin in connection.execute(query):
            found.setdefault(key, set()).add(origin)
    return found


def made_here(connection: Connection, table: str, keys: Collection[str]) -> None:
    """Note that these rows were made here, whoever had them before."""
    connection.execute(delete(OriginEntryRow).where(OriginEntryRow.table_name == table, OriginEntryRow.key.in_(keys)))


def arrivals(connection: Connection, runs: Sequence[str]) -> dict[str, int]:
    """The number of the first origin of each run that has one."""
    return {run: min(origins) for run, origins in entries(connection, "runs", runs).items()}


def later_plans(connection: Connection, runs: Sequence[str]) -> dict[tuple[str, str], int]:
    """The number of the first origin of what was planned of a submission in a run, if the run has several origins."""
    shared = [run for run, origins in entries(connection, "runs", runs).items() if len(origins) > 1]
    planned_key = PlannedTrialRow.run_id + "/" + PlannedTrialRow.trial_key
    query = (
        select(PlannedTrialRow.run_id, PlannedTrialRow.submission_key, func.min(OriginEntryRow.origin_id))
        .join(OriginEntryRow, and_(OriginEntryRow.table_name == "planned_trials", OriginEntryRow.key == planned_key))
        .where(PlannedTrialRow.run_id.in_(shared))
        .group_by(PlannedTrialRow.run_id, PlannedTrialRow.submission_key)
    )
    return {(run, submission): first for run, submission, first in connection.execute(query)} if shared else {}


def of_runs(engine: Engine, runs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The labels of the origins of each run that has some."""
    labels = {number: info.label for number, info in _listed(engine).items()}
    with engine.connect() as connection:
        found = entries(connection, "runs", runs)
    return {run: tuple(labels[number] for number in sorted(origins)) for run, origins in found.items()}


def listed(engine: Engine) -> tuple[OriginInfo, ...]:
    """All origins, in the order in which they were first added."""
    return tuple(_listed(engine).values())


def added(engine: Engine) -> dict[int, datetime]:
    """When each origin was added, or another file under its name, by its number."""
    with engine.connect() as connection:
        return {row.id: row.added_at for row in connection.execute(select(OriginRow.id, OriginRow.added_at))}


def _listed(engine: Engine) -> dict[int, OriginInfo]:
    records = (
        select(func.count())
        .where(OriginEntryRow.origin_id == OriginRow.id, OriginEntryRow.table_name == "trials")
        .scalar_subquery()
    )
    columns = (OriginRow.name, OriginRow.sha256, OriginRow.added_at, OriginRow.verified)
    with engine.connect() as connection:
        query = select(OriginRow.id, *columns, records).order_by(OriginRow.id)
        return {number: OriginInfo(*values) for number, *values in connection.execute(query)}


def remove(engine: Engine, name: str) -> Counter[str]:
    """Delete an origin and the rows that came from it alone, in one transaction; returns their number by table.

    A row that rows of others refer to stays, and so does the origin, for that row.

    Raises:
        UsageError: the store has no such origin.
    """
    with engine.connect() as connection:
        begin_alone(connection)
        known = {row.name: row.id for row in connection.execute(select(OriginRow.name, OriginRow.id))}
        if name not in known:
            raise UsageError(unknown("origin", name, known, " in the store"))
        deleted = Counter({table: _delete(connection, known[name], table) for table in _REFERRING})
        of_origin = OriginEntryRow.origin_id == known[name]
        if not connection.scalar(select(func.count()).select_from(OriginEntryRow).where(of_origin)):
            connection.execute(delete(OriginRow).where(OriginRow.id == known[name]))
        connection.commit()
    return deleted


_REFERRING: dict[str, tuple[tuple[str, str], ...]] = {
    "trials": (),
    "planned_trials": (),
    "runs": (("trials", "run_id"), ("planned_trials", "run_id")),
    "submissions": (("trials", "submission_key"), ("planned_trials", "submission_key")),
    "problems": (("trials", "problem_key"), ("planned_trials", "problem_key")),
    "originals": (("trials", "original_key"),),
}
"""The tables with entries, each after those that refer to it, and the columns that do."""


def _delete(connection: Connection, origin: int, name: str) -> int:
    """Delete the rows of a table that came from this origin alone and that nothing refers to."""
    table, mine, other = Base.metadata.tables[name], ENTRIES.alias(), ENTRIES.alias()
    shared = select(other.c.key).where(
        other.c.table_name == name, other.c.key == mine.c.key, other.c.origin_id != origin
    )
    alone: Select[tuple[str]] = select(mine.c.key).where(
        mine.c.table_name == name, mine.c.origin_id == origin, ~shared.exists()
    )
    if name == "trials":
        predictions = Base.metadata.tables["predictions"]
        connection.execute(delete(predictions).where(predictions.c.trial_key.in_(alone)))
    needed = or_(False, *(_key(table).in_(_column(*referring)) for referring in _REFERRING[name]))
    deleted = connection.execute(delete(table).where(_key(table).in_(alone), ~needed)).rowcount
    stays = select(_key(table)).where(_key(table).in_(alone))
    entries_of_origin = and_(ENTRIES.c.table_name == name, ENTRIES.c.origin_id == origin)
    connection.execute(delete(ENTRIES).where(entries_of_origin, ENTRIES.c.key.not_in(stays)))
    return deleted


def _column(table: str, column: str) -> Select[tuple[str]]:
    return select(Base.metadata.tables[table].c[column])


def _key(table: Table) -> ColumnElement[str]:
    """The key of a row, as it is in `OriginEntryRow.key`."""
    columns = list(table.primary_key)
    return columns[0] if len(columns) == 1 else columns[0] + "/" + columns[1]
