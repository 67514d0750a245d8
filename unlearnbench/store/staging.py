"""Rows of a source, checked one by one and written to a store of their own before anything is added to another."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unlearnbench.store.board_file import read
from unlearnbench.store.checks import Checks
from unlearnbench.store.connection import writing
from unlearnbench.store.schema import TABLES
from unlearnbench.store.sources import Read, name_of, opened
from unlearnbench.store.store import Store, Values, insert_new

CHUNK = 500
"""Checked rows in memory at a time."""


@dataclass(frozen=True)
class Staged:
    """A source whose rows are checked and in a temporary store.

    Attributes:
        name: what was typed for it, without password.
        sha256: of the file; None if it is a database server.
    """

    name: str
    sha256: str | None
    store: Store


@contextmanager
def staged_store(path_or_url: str) -> Iterator[Staged]:
    """Stage another store, which stays as it is.

    Raises:
        UsageError: it cannot be read, or has a row that cannot be one of a run.
    """
    name = name_of(path_or_url)
    with _temporary() as store:
        with opened(path_or_url) as (rows_of, sha256):
            _fill(store, name, rows_of)
        yield Staged(name, sha256, store)


@contextmanager
def staged_file(path: Path) -> Iterator[Staged]:
    """Stage a board file.

    Raises:
        UsageError: it cannot be read, is damaged, or has a row that cannot be one of a run.
    """
    file = read(path)
    with _temporary() as store:
        _fill(store, str(path), lambda table: file.rows[table.name].values())
        yield Staged(str(path), file.sha256, store)


@contextmanager
def _temporary() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, Store(str(Path(folder) / "staged.db")) as store:
        yield store


def _fill(store: Store, name: str, rows_of: Read) -> None:
    """Write the rows of a source, all of them checked."""
    checks = Checks(name)
    with writing(store.engine) as connection:
        for table in TABLES:
            chunk: list[Values] = []
            for values in rows_of(table):
                chunk.append(checks.row(table, values))
                if len(chunk) == CHUNK:
                    insert_new(connection, table, chunk)
                    chunk = []
            insert_new(connection, table, chunk)
    checks.end()
