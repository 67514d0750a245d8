"""Stores on SQLite and on PostgreSQL, and one of the first schema version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, insert, select

from tests.store.boards import small
from unlearnbench.store.dump import dump
from unlearnbench.store.migrations import FIRST_VERSION, migrate
from unlearnbench.store.store import Store

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


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "new.db")) as store:
        yield store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a small board."""
    with Store(str(tmp_path / "small.db")) as store:
        store.add(small())
        (path,) = dump(store.engine, "small", tmp_path / "board")
    return path
