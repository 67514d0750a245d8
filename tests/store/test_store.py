"""The store refuses what it does not know, and adding never overwrites."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from unlearnbench.errors import UsageError
from unlearnbench.store.schema import SubmissionRow
from unlearnbench.store.store import Store


def submission(title: str) -> SubmissionRow:
    return SubmissionRow(
        key="k",
        name="npo",
        variant="default",
        title=title,
        authors=["A", "B"],
        paper="",
        license="Apache-2.0",
        role="ranked",
        needs_corrupted_indices=False,
        hyperparameters={"beta": 1.0},
        source_hash="0" * 64,
    )


def test_a_row_is_never_overwritten(store: Store) -> None:
    store.add([submission("first")])
    store.add([submission("second")])
    with Session(store.engine) as session:
        (row,) = session.scalars(select(SubmissionRow)).all()
    assert (row.title, row.authors, row.hyperparameters) == ("first", ["A", "B"], {"beta": 1.0})


def test_many_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        barrier = threading.Barrier(6)

        def open_it(path: str = str(tmp_path / f"{attempt}.db"), barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            Store(path).engine.dispose()

        with ThreadPoolExecutor(6) as pool:
            for future in [pool.submit(open_it) for _ in range(6)]:
                future.result()


def test_sqlite_uses_the_write_ahead_log(store: Store) -> None:
    with store.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "new.db")
    with Store(path) as store, Session(store.engine) as session, session.begin():
        session.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(UsageError, match="schema version 99"):
        Store(path)


def test_another_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with Store(str(path)) as store, store.engine.begin() as connection:
        connection.execute(text("DROP TABLE schema_version"))
    with pytest.raises(UsageError, match="not a results database"):
        Store(str(path))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is not a database, but it is long enough to be read as one" * 20)
    with pytest.raises(UsageError, match="cannot be opened"):
        Store(str(path))
    assert path.read_text().startswith("this is not")


@pytest.mark.parametrize("url", ["nowhere://x", "postgresql+nodriver://x/y", "a://b://c"])
def test_a_bad_url_is_one_sentence(url: str) -> None:
    with pytest.raises(UsageError, match="not a usable database URL"):
        Store(url)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        Store("postgresql+nodriver://me:swordfish@host/results")
    assert "swordfish" not in str(caught.value)
    assert "me:***@host" in str(caught.value)


def test_reading_a_store_that_is_not_there_creates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(UsageError, match="no results database at"):
        Store(str(path), create=False)
    assert not path.exists()


def test_the_version_is_one_row(store: Store) -> None:
    with Session(store.engine) as session:
        assert len(session.scalars(select(SchemaRow)).all()) == 1
