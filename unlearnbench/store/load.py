"""Load board files into a store. All files are read and checked before the first is added."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from unlearnbench.store.board_file import BoardFile, read
from unlearnbench.store.connection import writing
from unlearnbench.store.merge import Merged, merge
from unlearnbench.store.schema import TABLES
from unlearnbench.store.store import Store, insert_new


def read_files(files: Sequence[Path]) -> list[BoardFile]:
    """Read and check files.

    Raises:
        UsageError: a file cannot be read or is damaged.
    """
    return [read(file) for file in files]


def load(read_parts: Sequence[BoardFile], target: Store) -> Iterator[tuple[Path, Merged]]:
    """Merge files into a store, each in one transaction; yields each file with what became of its rows.

    Raises:
        UsageError: the target cannot be written, or cannot hold a row.
    """
    for part in read_parts:
        with tempfile.TemporaryDirectory() as folder, Store(str(Path(folder) / "part.db")) as source:
            with writing(source.engine) as connection:
                for table in TABLES:
                    insert_new(connection, table, list(part.rows[table.name].values()))
            yield part.path, merge(source, target)
