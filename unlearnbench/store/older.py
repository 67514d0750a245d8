"""Upgrade rows of an older schema version: fill a temporary store of that version and upgrade it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import MetaData, Table, create_engine, select

from unlearnbench.store.connection import connect, writing
from unlearnbench.store.migrations import migrate, upgrade
from unlearnbench.store.schema import NOT_RESULTS, TABLES
from unlearnbench.store.store import Rows, insert_new, key_of


@cache
def tables_of(version: int) -> list[Table]:
    """The tables of results in a schema version, in insertion order."""
    engine, tables = create_engine("sqlite://"), MetaData()
    with engine.begin() as connection:
        migrate(connection, version)
        tables.reflect(connection)
    engine.dispose()
    return [table for table in tables.sorted_tables if table.name not in ("alembic_version", *NOT_RESULTS)]


def upgraded(rows: Rows, version: int) -> Rows:
    """Rows of an older version in the current version. The rows that they refer to must be among them."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.db")
        engine = connect(path, create=True)
        try:
            with writing(engine) as connection:
                migrate(connection, version)
                for table in tables_of(version):
                    insert_new(connection, table, list(rows[table.name].values()))
            upgrade(path)
            with engine.connect() as connection:
                found = {table: map(dict, connection.execute(select(table)).mappings()) for table in TABLES}
                return {table.name: {key_of(table, row): row for row in rows} for table, rows in found.items()}
        finally:
            engine.dispose()
