"""Small boards as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests import rows
from unlearnbench.store.load import load, read_files
from unlearnbench.store.merge import Merged
from unlearnbench.store.schema import Base
from unlearnbench.store.store import Store


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


def loaded(files: list[Path], store: Store) -> list[Merged]:
    return [merged for _, merged in load(read_files(files), store)]
