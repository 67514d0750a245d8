"""Dump a board to one file per seed. Files never change; later records go into new files beside them.

`seed-0.jsonl` is the first file of the trials whose three seeds are all 0, `seed-1-2-3.jsonl` that of corruption seed
1, training seed 2 and unlearning seed 3; later records go into `seed-0.part2.jsonl` and so on. Each file also holds
the rows that its rows refer to, so it can be loaded alone.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, select, tuple_

from unlearnbench.errors import UsageError
from unlearnbench.problems.streams import Seeds
from unlearnbench.store.board_file import BoardFile, read, text_of
from unlearnbench.store.connection import begin_snapshot
from unlearnbench.store.merge import CHUNK, differing, unequal
from unlearnbench.store.schema import TABLES, Base
from unlearnbench.store.store import DESCRIPTIVE, Key, Rows, Values, key_of

RUNS, PROBLEMS, TRIALS, PLANNED = (
    Base.metadata.tables[name] for name in ("runs", "problems", "trials", "planned_trials")
)
OF_TRIALS = [table for table in TABLES if any(key.column.table is TRIALS for key in table.foreign_keys)]
"""The tables of what is stored with a trial: its predictions."""


def dump(engine: Engine, suite: str, folder: Path, keep: AbstractSet[str] | None = None) -> list[Path]:
    """Write the records of a suite that the files in the folder do not hold yet; returns the new files.

    Records are written with all rows that they refer to and the runs that planned them. A run whose trials are all in
    the files already is left out.

    Args:
        keep: keys of the trials that may be written; default: all.

    Raises:
        UsageError: the store has no such trial, or a file in the folder is damaged, belongs to another suite, or
            disagrees with the store. Nothing is written then.
    """
    parts = _parts(folder, suite)
    held = _held(parts)
    with engine.connect() as connection:
        begin_snapshot(connection)
        seeds = _seeds(connection, suite, keep)
        if not seeds:
            raise UsageError(f"{engine.url} has no whole seed of suite '{suite}': run its missing trials first")
        new: dict[Seeds, Rows] = defaultdict(lambda: {table.name: {} for table in TABLES})
        for key, rows in _recorded(connection, sorted(seeds), held):
            for name, row_key, row in rows:
                new[seeds[key]][name][row_key] = row
        fresh = {key for found in new.values() for (key,) in found[TRIALS.name]}
        for row in _planned(connection, suite, fresh):
            new[seeds[row["trial_key"]]][PLANNED.name][key_of(PLANNED, row)] = row
        texts = {}
        for seed, found in sorted(new.items(), key=lambda item: _stem(item[0])):
            _add_parents(connection, found, held)
            texts[folder / _next_name(seed, parts)] = text_of(suite, seed, found)
    return _write(texts)


def _parts(folder: Path, suite: str) -> list[BoardFile]:
    parts = [read(file) for file in sorted(folder.glob("seed-*.jsonl"))]
    for part in parts:
        if part.header.suite != suite:
            raise UsageError(f"{part.path} belongs to suite '{part.header.suite}': choose another folder for '{suite}'")
    return parts


def _held(parts: Iterable[BoardFile]) -> dict[str, dict[Key, tuple[Path, Values]]]:
    """The rows of all files by table and key, each with the first file that holds it."""
    held: dict[str, dict[Key, tuple[Path, Values]]] = {table.name: {} for table in TABLES}
    for part in parts:
        for name, rows in part.rows.items():
            for key, row in rows.items():
                held[name].setdefault(key, (part.path, row))
    return held


def _seeds(connection: Connection, suite: str, keep: AbstractSet[str] | None) -> dict[str, Seeds]:
    """The seeds of each recorded trial of the suite, by trial key."""
    planned = select(PLANNED.c.trial_key).join(RUNS, RUNS.c.id == PLANNED.c.run_id).where(RUNS.c.suite == suite)
    query = (
        select(TRIALS.c.key, PROBLEMS.c.corruption_seed, TRIALS.c.training_seed, TRIALS.c.unlearning_seed)
        .join(PROBLEMS, PROBLEMS.c.key == TRIALS.c.problem_key)
        .where(TRIALS.c.key.in_(planned))
    )
    return {key: Seeds(*seeds) for key, *seeds in connection.execute(query) if keep is None or key in keep}


def _recorded(
    connection: Connection, trials: Sequence[str], held: dict[str, dict[Key, tuple[Path, Values]]]
) -> Iterator[tuple[str, list[tuple[str, Key, Values]]]]:
    """For each trial that is not completely in the files, its rows that are not: record and predictions."""
    for start in range(0, len(trials), CHUNK):
        chunk = trials[start : start + CHUNK]
        found: dict[str, list[tuple[str, Key, Values]]] = {key: [] for key in chunk}
        tables = [(TRIALS, "key"), *((table, _column(table, TRIALS)) for table in OF_TRIALS)]
        for table, column in tables:
            for row in _rows(connection, select(table).where(table.c[column].in_(chunk))):
                key = key_of(table, row)
                if key in held[table.name]:
                    _compare(connection, table, row, held[table.name][key])
                else:
                    found[row[column]].append((table.name, key, row))
        yield from ((key, rows) for key, rows in found.items() if rows)


def _planned(connection: Connection, suite: str, trials: AbstractSet[str]) -> list[Values]:
    """The plans of these trials by runs of the suite."""
    query = select(PLANNED).join(RUNS, RUNS.c.id == PLANNED.c.run_id).where(RUNS.c.suite == suite)
    return [row for row in _rows(connection, query) if row["trial_key"] in trials]


def _add_parents(connection: Connection, rows: Rows, held: dict[str, dict[Key, tuple[Path, Values]]]) -> None:
    """Add the rows that these rows refer to; descriptions of submissions stay as in the files."""
    for table in reversed(TABLES):  # each table before those that it refers to
        for column, parent in ((key.parent.name, key.column.table) for key in table.foreign_keys):
            wanted = {(row[column],) for row in rows[table.name].values() if row[column] is not None}
            missing = sorted(wanted - rows[parent.name].keys())
            for start in range(0, len(missing), CHUNK):
                keys = tuple_(*parent.primary_key).in_(missing[start : start + CHUNK])
                for row in _rows(connection, select(parent).where(keys)):
                    key = key_of(parent, row)
                    if key in held[parent.name]:
                        path, said = held[parent.name][key]
                        # A corrected title changes no result, but files with two titles would be in conflict.
                        row |= {name: said[name] for name in DESCRIPTIVE if name in said}
                        _compare(connection, parent, row, (path, said))
                    rows[parent.name][key] = row


def _compare(connection: Connection, table: Table, row: Values, held: tuple[Path, Values]) -> None:
    """Refuse a row that differs from the one in a file in more than `CIRCUMSTANCES`."""
    path, said = held
    for item in differing(connection, table, row, said):
        kept, other = item.kept, item.other
        if isinstance(kept, bytes) or isinstance(other, bytes):  # equal predictions may be compressed differently
            unlike = unequal(kept, other)
            if unlike is None:
                continue
            kept, other = unlike
        of = f" ({item.method or item.problem})" if item.method or item.problem else ""
        raise UsageError(
            f"{path} and the store differ in row {item.key[:12]} of '{item.table}'{of}: {item.field} is {other} in the"
            f" file, {kept} in the store; files never change, so choose another folder"
        )


def _rows(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _column(table: Table, parent: Table) -> str:
    """The column of a table that refers to its parent."""
    return next(key.parent.name for key in table.foreign_keys if key.column.table is parent)


def _stem(seed: Seeds) -> str:
    numbers = (seed.corruption, seed.training, seed.unlearning)
    return f"seed-{'-'.join(map(str, numbers[:1] if len(set(numbers)) == 1 else numbers))}"


def _next_name(seed: Seeds, parts: Iterable[BoardFile]) -> str:
    """The name of this seed's next file."""
    stem = _stem(seed)
    pattern = re.compile(re.escape(stem) + r"(?:\.part(\d+))?\.jsonl")
    taken = [int(match[1] or 1) for part in parts if (match := pattern.fullmatch(part.path.name))]
    return f"{stem}.part{max(taken) + 1}.jsonl" if taken else f"{stem}.jsonl"


def _write(texts: dict[Path, str]) -> list[Path]:
    """Write all files under temporary names, then rename them."""
    temporary = {path: path.with_name(f".{path.name}.part-{os.getpid()}") for path in texts}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path].write_text(text, encoding="ascii", newline="\n")
        for path in texts:
            if path.exists():
                raise UsageError(f"{path} was written by another process: dump again")
            temporary[path].rename(path)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return list(texts)
