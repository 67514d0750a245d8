"""Damage in a store is named: one sentence with the row, whatever was read, and never a traceback."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import JSON, DateTime

from tests.store.valid import SUITE, whole, written
from unlearnbench.errors import HarnessError
from unlearnbench.store.dump import dump
from unlearnbench.store.info import info
from unlearnbench.store.schema import TABLES
from unlearnbench.store.store import Store

INTERPRETED = [
    (table.name, column.name)
    for table in TABLES
    for column in table.columns
    if isinstance(column.type, JSON | DateTime)
]
"""Columns whose values the database layer interprets when it reads them."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "own.db", *whole())


def damage(file: Path, table: str, column: str, value: object) -> None:
    connection = sqlite3.connect(file)
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = (SELECT max(rowid) FROM {table})", (value,))
    connection.commit()
    connection.close()


@pytest.mark.parametrize(("table", "column"), INTERPRETED)
def test_a_damaged_value_is_named(table: str, column: str, file: Path) -> None:
    damage(file, table, column, "no value of a run")
    with (
        pytest.raises(HarnessError, match=f"table '{table}', row '[0-9a-f]*', field '{column}': must be a "),
        Store(str(file), create=False) as store,
    ):
        dump(store.engine, SUITE.name, file.parent / "board")


def test_the_sentence_says_what_where_and_what_to_do(file: Path) -> None:
    damage(file, "runs", "started_at", "yesterday")
    with pytest.raises(HarnessError) as raised, Store(str(file), create=False) as store:
        info(store.engine)
    assert str(raised.value) == (
        f"the results database is damaged: {file}: table 'runs', row 'aaaaaaaaaaaa', field 'started_at': must be a time"
        " (got 'yesterday'); use a copy of the store, or load the files of its boards into a new one"
        " (`unlearnbench store load`)"
    )
    assert isinstance(raised.value.__cause__, ValueError)


def test_an_error_that_the_store_did_not_cause_stays_what_it_is(file: Path) -> None:
    with pytest.raises(KeyError, match="mine"), Store(str(file), create=False):
        raise KeyError("mine")


def test_a_database_that_cannot_be_read_is_named(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.executescript("DROP TABLE predictions; DROP TABLE trials")
    connection.close()
    with (
        pytest.raises(HarnessError, match=f"^cannot read the results database '{file}': no such table: trials$"),
        Store(str(file), create=False) as store,
    ):
        info(store.engine)
