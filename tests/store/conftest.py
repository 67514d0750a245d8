"""Stores on SQLite and on PostgreSQL, and one of the first schema version."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, insert, select

from unlearnbench.store.migrations import FIRST_VERSION, migrate
from unlearnbench.store.store import Store

sys.path.insert(0, str(Path(__file__).parent))  # for `rows`
V6 = Path(__file__).parent / "v6.sql"


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    with Store(database) as store:
        yield store


@pytest.fixture
def first(database: str, tmp_path: Path) -> str:
    """The URL of a store of the first schema version: two runs, the second interrupted; failed trials."""
    file = tmp_path / "first.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(V6.read_text())
    connection.close()
    if database.startswith("sqlite"):
        return f"sqlite:///{file}"
    source, target = create_engine(f"sqlite:///{file}"), create_engine(database)
    written = MetaData()
    written.reflect(source)
    with source.connect() as reading, target.begin() as writing:
        migrate(writing, FIRST_VERSION)
        for table in written.sorted_tables:
            if table.name not in ("alembic_version", "claims"):
                writing.execute(insert(table), [dict(row) for row in reading.execute(select(table)).mappings()])
    source.dispose()
    target.dispose()
    return database
