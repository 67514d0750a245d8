"""Rows of an older schema version: its tables, and what the rows become in those of this version.

A temporary store is made by the revisions up to that version, filled, and upgraded.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import MetaData, Table, create_engine, select

from unlearnbench.store.connection import connect, writing
from unlearnbench.store.migrations import migrate, upgrade
from unlearnbench.store.schema import TABLES
from unlearnbench.store.store import Rows, insert_new, key_of


@cache
def tables_of(version: int) -> list[Table]:
    """The tables of results as they were in a version, in an order in which rows can be added."""
    engine, tables = create_engine("sqlite://"), MetaData()
    with engine.begin() as connection:
        migrate(connection, version)
        tables.reflect(connection)
    engine.dispose()
    return [table for table in tables.sorted_tables if table.name not in ("alembic_version", "claims")]


def carried_along(rows: Rows, version: int) -> Rows:
    """The rows of an older version, with all that they refer to, as the tables of this version hold them."""
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
