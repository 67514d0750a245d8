"""Small boards as files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests import rows
from unlearnbench.store.board_file import read
from unlearnbench.store.connection import writing
from unlearnbench.store.merge import Merged, merge
from unlearnbench.store.origins import Origin
from unlearnbench.store.schema import TABLES, Base
from unlearnbench.store.store import Store, insert_new


def zero(**changes: Any) -> Base:
    return rows.problem(**{"corruption_seed": 0} | changes)


def small() -> list[Base]:
    """One finished and one failed trial of seed 0, planned with one that is missing."""
    return [
        *(row for row in rows.whole() if row.__tablename__ != "problems"),
        zero(),
        rows.planned(trial_key="u"),
        rows.planned(trial_key="missing"),
        rows.failed(key="u", detail='Traceback\n"\\ \N{SNOWMAN}'),
    ]


def added(source: Store, target: Store, name: str = "other") -> Merged:
    """Merge a store whose rows are not checked."""
    (merged,) = merge([(source, Origin(name, None, verified=True))], target)
    return merged


def loaded(files: list[Path], store: Store) -> list[Merged]:
    """Load files whose rows are not checked."""
    merged = []
    for file in files:
        rows_of = read(file).rows
        with tempfile.TemporaryDirectory() as folder, Store(str(Path(folder) / "part.db")) as source:
            with writing(source.engine) as connection:
                for table in TABLES:
                    insert_new(connection, table, list(rows_of[table.name].values()))
            merged.append(added(source, store, file.name))
    return merged
