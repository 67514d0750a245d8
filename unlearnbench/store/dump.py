"""A board as text files that never change, one a seed: what is new goes into new files beside them.

`seed-0.jsonl` is the first file of the trials whose three seeds are all 0, `seed-1-2-3.jsonl` that of corruption seed
1, training seed 2 and unlearning seed 3. What is recorded later goes into `seed-0.part2.jsonl` and so on. Each file
holds all rows that its own refer to, so it can be loaded alone.
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
"""What is recorded with a trial: its predictions."""


def dump(engine: Engine, suite: str, folder: Path, keep: AbstractSet[str] | None = None) -> list[Path]:
    """Write what the store holds of a suite and the files in the folder do not; returns the files written, maybe none.

    The trials that are recorded, with all that belongs to them and the runs that planned them. A run that planned
    nothing but trials that the files hold says nothing new.

    Args:
        keep: the keys of the trials that may be written; all by default.

    Raises:
        UsageError: the store has no recorded trial of the suite; or a file in the folder is damaged, of another suite,
            or says something else than the store. Nothing was written then.
    """
    parts = _parts(folder, suite)
    held = _held(parts)
    with engine.connect() as connection:
        begin_snapshot(connection)
        seeds = _seeds(connection, suite, keep)
        if not seeds:
            raise UsageError(f"{engine.url} has no whole seed of suite '{suite}' to write: run what is missing of one")
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
            raise UsageError(f"{part.path} is of suite '{part.header.suite}': give another folder for '{suite}'")
    return parts


def _held(parts: Iterable[BoardFile]) -> dict[str, dict[Key, tuple[Path, Values]]]:
    """The rows of all files, by table and key, with the file that said so first."""
    held: dict[str, dict[Key, tuple[Path, Values]]] = {table.name: {} for table in TABLES}
    for part in parts:
        for name, rows in part.rows.items():
            for key, row in rows.items():
                held[name].setdefault(key, (part.path, row))
    return held


def _seeds(connection: Connection, suite: str, keep: AbstractSet[str] | None) -> dict[str, Seeds]:
    """The seeds of each recorded trial that a run of the suite planned."""
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
    """Of each trial that has some, the rows that no file holds: its record, and what was recorded with it."""
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
    """What runs of the suite planned of these trials."""
    query = select(PLANNED).join(RUNS, RUNS.c.id == PLANNED.c.run_id).where(RUNS.c.suite == suite)
    return [row for row in _rows(connection, query) if row["trial_key"] in trials]


def _add_parents(connection: Connection, rows: Rows, held: dict[str, dict[Key, tuple[Path, Values]]]) -> None:
    """Add all that the rows refer to, as the store says it; what a submission says of itself, as the files do."""
    for table in reversed(TABLES):  # a table comes before those that it refers to
        for column, parent in ((key.parent.name, key.column.table) for key in table.foreign_keys):
            wanted = {(row[column],) for row in rows[table.name].values() if row[column] is not None}
            missing = sorted(wanted - rows[parent.name].keys())
            for start in range(0, len(missing), CHUNK):
                keys = tuple_(*parent.primary_key).in_(missing[start : start + CHUNK])
                for row in _rows(connection, select(parent).where(keys)):
                    key = key_of(parent, row)
                    if key in held[parent.name]:
                        path, said = held[parent.name][key]
                        # A corrected title is no other result, but two files that say two titles would be a conflict.
                        row |= {name: said[name] for name in DESCRIPTIVE if name in said}
                        _compare(connection, parent, row, (path, said))
                    rows[parent.name][key] = row


def _compare(connection: Connection, table: Table, row: Values, held: tuple[Path, Values]) -> None:
    """Refuse a row that says something else than a file does, in more than circumstances."""
    path, said = held
    for item in differing(connection, table, row, said):
        kept, other = item.kept, item.other
        if isinstance(kept, bytes) or isinstance(other, bytes):  # equal classes may be packed in two ways
            unlike = unequal(kept, other)
            if unlike is None:
                continue
            kept, other = unlike
        of = f" ({item.method or item.problem})" if item.method or item.problem else ""
        raise UsageError(
            f"{path} says otherwise than the store of row {item.key[:12]} of '{item.table}'{of}: {item.field} is"
            f" {other} there, {kept} here; a file that was written stays as it is, so give another folder"
        )


def _rows(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _column(table: Table, parent: Table) -> str:
    """The column of a table that refers to the other one."""
    return next(key.parent.name for key in table.foreign_keys if key.column.table is parent)


def _stem(seed: Seeds) -> str:
    numbers = (seed.corruption, seed.training, seed.unlearning)
    return f"seed-{'-'.join(map(str, numbers[:1] if len(set(numbers)) == 1 else numbers))}"


def _next_name(seed: Seeds, parts: Iterable[BoardFile]) -> str:
    """The name after the last one of this seed."""
    stem = _stem(seed)
    pattern = re.compile(re.escape(stem) + r"(?:\.part(\d+))?\.jsonl")
    taken = [int(match[1] or 1) for part in parts if (match := pattern.fullmatch(part.path.name))]
    return f"{stem}.part{max(taken) + 1}.jsonl" if taken else f"{stem}.jsonl"


def _write(texts: dict[Path, str]) -> list[Path]:
    """Write new files: all of them under temporary names before the first gets its own."""
    temporary = {path: path.with_name(f".{path.name}.part-{os.getpid()}") for path in texts}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path].write_text(text, encoding="ascii", newline="\n")
        for path in texts:
            if path.exists():
                raise UsageError(f"{path} was written meanwhile: dump again")
            temporary[path].rename(path)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return list(texts)
