"""Merge stores: rows are added by key, with their origin; conflicts are reported, nothing is overwritten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, select, tuple_, update
from sqlalchemy.exc import OperationalError

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.predictions import unpack
from unlearnbench.store.connection import begin_alone, begin_snapshot
from unlearnbench.store.labels import method_label, problem_label
from unlearnbench.store.origins import Origin, enter, entries, register
from unlearnbench.store.schema import TABLES, Base
from unlearnbench.store.store import Key, Store, Values, insert_new, key_of

CHUNK = 500
"""Rows of a table in memory at a time."""

CIRCUMSTANCES = {
    "runs": {"finished_at"},
    "originals": {"seconds", "specification"},
    "trials": {
        "run_id",
        "created_at",
        "isolation",
        "limits",
        "detail",
        "earlier",
        "seconds",
        "processor_seconds",
        "evaluation_seconds",
        "total_seconds",
    },
}
"""Columns that may differ between two rows with the same key: when, in which run, how fast, how an error reads.

And the settings of an original, which its key is made of: versions before a setting existed did not store its default.
"""

RUNS, PROBLEMS, SUBMISSIONS, PLANNED, TRIALS, PREDICTIONS = (
    Base.metadata.tables[name]
    for name in ("runs", "problems", "submissions", "planned_trials", "trials", "predictions")
)


@dataclass(frozen=True)
class Conflict:
    """A field that differs between two rows with the same key; the target keeps its value."""

    table: str
    key: str
    method: str
    """Empty if the row belongs to no single method; `problem` likewise."""
    problem: str
    field: str
    kept: Any
    other: Any


@dataclass(frozen=True)
class Merged:
    """The source's rows by table: `added` to the target, or `known` there already by key."""

    added: Counter[str]
    known: Counter[str]
    conflicts: tuple[Conflict, ...]


def merge(sources: Sequence[tuple[Store, Origin]], target: Store) -> list[Merged]:
    """Add the rows of other stores, checked by `staging`, to a store, all in one transaction.

    The target keeps its row where a key is known; every differing field outside `CIRCUMSTANCES` is a conflict. The end
    of a run that came from an origin is copied if the target lacks it.

    Raises:
        UsageError: the target cannot be written, cannot hold a row, or has a run of its own to which a source adds
            trials. Nothing is added then.
    """
    merged = []
    with target.engine.connect() as writing:
        try:
            begin_alone(writing)
            for source, origin in sources:
                with source.engine.connect() as reading:
                    begin_snapshot(reading)
                    merged.append(_merge(reading, writing, origin))
            writing.commit()
        except OperationalError as error:
            names, first = ", ".join(origin.name for _, origin in sources), str(error.orig).splitlines()[0]
            raise UsageError(f"cannot merge {names} into {target.engine.url}, nothing was added: {first}") from error
    return merged


def _merge(reading: Connection, writing: Connection, origin: Origin) -> Merged:
    number = register(writing, origin)
    added: Counter[str] = Counter()
    known: Counter[str] = Counter()
    conflicts: list[Conflict] = []
    for table in TABLES:
        if table is PREDICTIONS:
            continue  # merged with their trials
        for rows in _chunks(reading, table):
            stored = _stored(writing, table, [key_of(table, row) for row in rows])
            new = [row for row in rows if key_of(table, row) not in stored]
            pairs = [(stored[key], row) for row in rows if (key := key_of(table, row)) in stored]
            _refuse_for_own_runs(writing, table, new, origin.name)
            insert_new(writing, table, new)
            added[table.name] += len(new)
            known[table.name] += len(pairs)
            differences = [item for pair in pairs for item in differing(writing, table, *pair)]
            elsewhere = entries(writing, table.name, ["/".join(key_of(table, kept)) for kept, _ in pairs])
            if table is RUNS:
                _finish(writing, [pair for pair in pairs if pair[0]["id"] in elsewhere])
            if table is TRIALS:
                differences += _predictions(reading, writing, new, [kept for kept, _ in pairs])
            disagreeing = {item.key for item in differences}
            fresh = ["/".join(key_of(table, row)) for row in new]
            enter(writing, number, table.name, [*fresh, *(key for key in elsewhere if key not in disagreeing)])
            conflicts += differences
    return Merged(added, known, tuple(conflicts))


def _chunks(connection: Connection, table: Table) -> Iterator[list[Values]]:
    """All rows in the order of their keys, `CHUNK` at a time."""
    columns = list(table.primary_key)
    query = select(table).order_by(*columns).limit(CHUNK)
    rows = _rows(connection, query)
    while rows:
        yield rows
        rows = _rows(connection, query.where(tuple_(*columns) > tuple_(*key_of(table, rows[-1]))))


def _stored(connection: Connection, table: Table, keys: Sequence[Key]) -> dict[Key, Values]:
    query = select(table).where(tuple_(*table.primary_key).in_(keys))
    return {key_of(table, row): row for row in _rows(connection, query)}


def _rows(connection: Connection, query: Select[Any]) -> list[Values]:
    return [dict(row) for row in connection.execute(query).mappings()]


def differing(connection: Connection, table: Table, kept: Values, other: Values) -> list[Conflict]:
    """The fields outside `CIRCUMSTANCES` in which two rows with one key differ; the connection is read for labels."""
    circumstances = CIRCUMSTANCES.get(table.name, set())
    return [
        _conflict(connection, table, kept, name, kept[name], other[name])
        for name in kept
        if name not in circumstances and kept[name] != other[name]
    ]


def _finish(connection: Connection, pairs: Sequence[tuple[Values, Values]]) -> None:
    for kept, other in pairs:
        if kept["finished_at"] is None and other["finished_at"] is not None:
            end = update(RUNS).where(RUNS.c.id == kept["id"])
            connection.execute(end.values(finished_at=other["finished_at"]))


def _refuse_for_own_runs(connection: Connection, table: Table, new: Sequence[Values], name: str) -> None:
    """Refuse trials and plans of runs that were made here: a run is recorded where it runs."""
    runs = {row["run_id"] for row in new} if table in (PLANNED, TRIALS) else set()
    elsewhere = entries(connection, RUNS.name, runs)
    for row in new if runs - elsewhere.keys() else ():
        if row["run_id"] not in elsewhere:
            raise UsageError(
                f"{name}: table '{table.name}', row {'/'.join(key_of(table, row))[:12]!a}, field 'run_id': run"
                f" {row['run_id'][:12]} was made by this store itself, without that trial; to join two copies of one"
                " store, merge both into a new one"
            )


def _predictions(
    reading: Connection, writing: Connection, new: Sequence[Values], known: Sequence[Values]
) -> list[Conflict]:
    """Add the predictions of new trials, and compare the known trials' predictions that both stores have."""
    known_keys: dict[Key, Values] = {(row["key"],): row for row in known}
    others = _stored(reading, PREDICTIONS, [*known_keys, *((row["key"],) for row in new)])
    stored = _stored(writing, PREDICTIONS, list(known_keys))
    insert_new(writing, PREDICTIONS, [others[row["key"],] for row in new if (row["key"],) in others])
    conflicts = []
    for key in sorted(stored.keys() & others.keys()):
        for column in ("train", "test", "triggered_test"):
            kept, other = stored[key][column], others[key][column]
            if kept != other and (difference := unequal(kept, other)):
                conflicts.append(_conflict(writing, TRIALS, known_keys[key], f"predictions ({column})", *difference))
    return conflicts


def unequal(kept: bytes | None, other: bytes | None) -> tuple[str, str] | None:
    """Describe how two packed predictions differ; None if the classes are equal. Bytes depend on the zlib version."""
    if kept is None or other is None:
        return ("none" if kept is None else "some", "none" if other is None else "some")
    mine, theirs = unpack(kept), unpack(other)
    if len(mine) != len(theirs):
        return f"{len(mine)} samples", f"{len(theirs)} samples"
    count = int((mine != theirs).sum())
    return (f"{len(mine)} samples", f"{count} of them in another class") if count else None


def _method(row: Values) -> str:
    return method_label(row["name"], row["variant"])


def _problem(row: Values) -> str:
    return problem_label(row["corruption"], row["discovery_rate"], row["corruption_seed"])


def _conflict(connection: Connection, table: Table, row: Values, field: str, kept: Any, other: Any) -> Conflict:
    method = problem = ""
    if table.name in ("trials", "planned_trials"):
        (submission,) = _stored(connection, SUBMISSIONS, [(row["submission_key"],)]).values()
        (on,) = _stored(connection, PROBLEMS, [(row["problem_key"],)]).values()
        method, problem = _method(submission), _problem(on)
    elif table is SUBMISSIONS:
        method = _method(row)
    elif table is PROBLEMS:
        problem = _problem(row)
    elif table.name == "originals":
        of = row["specification"]["case"]
        problem = f"{of['corruption']}, seed {of['seed']}"
    return Conflict(table.name, "/".join(key_of(table, row)), method, problem, field, kept, other)
