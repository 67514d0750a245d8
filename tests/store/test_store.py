"""The store refuses what it does not know, and adding never overwrites."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests import rows
from unlearnbench.errors import HarnessError, UsageError, masked
from unlearnbench.store.migrations import upgrade
from unlearnbench.store.schema import OriginalRow, PredictionRow, RunRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store


def test_a_row_is_never_overwritten(store: Store) -> None:
    store.add([rows.submission(title="first")])
    store.add([rows.submission(title="second")])
    with Session(store.engine) as session:
        (row,) = session.scalars(select(SubmissionRow)).all()
    assert (row.title, row.authors, row.hyperparameters) == ("first", ["A", "B"], {"beta": 1.0})


def test_what_a_submission_says_of_itself_may_be_corrected(store: Store) -> None:
    store.add([rows.submission(title="first"), rows.submission(title="other", key="other")])
    corrected = rows.submission(title="second")
    corrected.role, corrected.hyperparameters = "reference", {"beta": 9.0}
    store.describe([corrected])
    with Session(store.engine) as session:
        row, other = session.scalars(select(SubmissionRow).order_by(SubmissionRow.title.desc())).all()
    assert (row.title, row.role) == ("second", "reference")
    assert row.hyperparameters == {"beta": 1.0}, "what decides a result is what it was"
    assert other.title == "other"


def test_two_harnesses_may_add_the_same_rows_at_once(store: Store) -> None:
    barrier = threading.Barrier(4)

    def add(number: int) -> None:
        mine = [rows.submission(title=f"by {number}", key=f"k{index}") for index in range(50)]
        barrier.wait()
        store.add(mine if number % 2 else reversed(mine))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    with Session(store.engine) as session:
        stored = session.scalars(select(SubmissionRow)).all()
    assert len(stored) == 50
    assert len({row.title for row in stored}) == 1, "one of them was first, with all of its rows"


def test_rows_may_come_in_any_order(store: Store) -> None:
    """A row that refers to another may be given before it."""
    store.add(reversed(rows.whole()))
    assert store.stored_trials(["t", "u"]) == {"t"}


def test_adding_is_all_or_nothing(store: Store) -> None:
    with pytest.raises(IntegrityError):
        store.add([row for row in rows.whole() if not isinstance(row, OriginalRow)])
    with Session(store.engine) as session:
        assert session.scalars(select(SubmissionRow)).all() == []


def test_only_a_failure_is_replaced_and_what_replaces_it_keeps_it(store: Store) -> None:
    store.add([*rows.whole(), rows.run(id="s"), rows.run(id="v")])
    store.add([rows.failed(key="u", run_id="r", reason="first", detail="Traceback\nhere")])
    assert store.failed_trials(["t", "u"]) == {"u": "r"}
    store.replace_failure(rows.failed(key="u", run_id="s", reason="second", detail=None), None)
    store.replace_failure(rows.trial(key="u", run_id="v"), rows.prediction(trial_key="u"))
    with Session(store.engine) as session:
        trial = session.get_one(TrialRow, "u")
        assert session.get(PredictionRow, "u") is not None
    assert (trial.state, trial.reason, trial.aggregate) == ("finished", None, rows.trial().aggregate)
    assert trial.earlier == (
        "2026-01-02 03:04 UTC, run r: first\n    Traceback\n    here\n2026-01-02 03:04 UTC, run s: second"
    )
    assert store.failed_trials(["t", "u"]) == {}
    with pytest.raises(ValueError, match="trial u did not fail"):
        store.replace_failure(rows.failed(key="u"), None)


def test_text_that_is_none_is_stored_as_far_as_it_goes(store: Store) -> None:
    """What a submission prints or raises is anything at all."""
    store.add([*rows.whole(), rows.failed(key="u", reason="raised: \ud800", detail="a\0b \N{SNOWMAN}")])
    with Session(store.engine) as session:
        trial = session.get_one(TrialRow, "u")
    assert (trial.reason, trial.detail) == ("raised: ?", "a\N{REPLACEMENT CHARACTER}b \N{SNOWMAN}")


def test_a_value_that_the_database_cannot_hold_is_one_sentence(postgresql: str) -> None:
    with (
        Store(postgresql) as store,
        pytest.raises(UsageError, match="cannot hold a row of 'submissions': value too long"),
    ):
        store.add([rows.submission(title="x" * 201)])


def test_the_end_of_a_run_is_noted(store: Store) -> None:
    store.add([rows.run()])
    store.finish_run("r", rows.NOW)
    with Session(store.engine) as session:
        assert session.get_one(RunRow, "r").finished_at == rows.NOW


def test_many_may_open_a_new_store_at_once(database: str) -> None:
    barrier = threading.Barrier(6)

    def open_it() -> None:
        barrier.wait()
        Store(database).engine.dispose()

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(open_it) for _ in range(6)]:
            future.result()


def test_sqlite_uses_the_write_ahead_log(tmp_path: Path) -> None:
    with Store(str(tmp_path / "new.db")) as store, store.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_newer_store_is_refused_and_left_alone(store: Store, database: str) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    with pytest.raises(
        UsageError, match=r"schema version 99, but this version reads \d+: use the version of unlearnbench"
    ):
        Store(database)
    with pytest.raises(UsageError, match="schema version 99"):
        upgrade(database)
    with store.engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0099"


@pytest.mark.parametrize(
    "change",
    ["UPDATE alembic_version SET version_num = 'ae10'", "DROP TABLE planned_trials"],
)
def test_another_database_is_refused(store: Store, database: str, change: str) -> None:
    with store.engine.begin() as connection:
        connection.execute(text(change))
    with pytest.raises(UsageError, match="not a results database"):
        Store(database)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is not a database, but it is long enough to be read as one" * 20)
    with pytest.raises(UsageError, match="cannot open the results database"):
        Store(str(path))
    assert path.read_text().startswith("this is not")


@pytest.mark.parametrize(
    "url", ["nowhere://x", "postgresql+nodriver://x/y", "a://b://c", "mysql+pymysql://x/y", "sqlite+aiosqlite:///x"]
)
def test_a_bad_url_is_one_sentence_and_creates_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="not a usable database URL"):
        Store(url)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["postgresql:/me:swordfish@host/results", "sqlite:/x.db", "PostgreSQL+psycopg:host/x"])
def test_a_url_without_its_slashes_is_no_file_name(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="a URL has two slashes there") as caught:
        Store(url)
    assert "swordfish" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_bad_option_of_a_url_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a usable database URL"):
        Store(f"sqlite:///{tmp_path}/x.db?timeout=abc")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        Store("postgresql+nodriver://me:swordfish@host/results")
    assert "swordfish" not in str(caught.value)
    assert "me:***@host" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:xyzzy/plugh@localhost/results",
        "postgresql+psycopg://me:xyzzy@plugh@localhost/results",
        "postgresql+psycopg://me:xyzzy:plugh@localhost/results",
        "postgresql+psycopg://me:xyzzy plugh@localhost:1/results",
        "postgresql+psycopg://me:xyzzy#plugh?@localhost:1/results",
        "postgresql+psycopg://localhost:1/results?user=me&password=xyzzy-plugh",
        "postgresql+psycopg://localhost:1/results?sslpassword=xyzzy-plugh&sslmode=x",
        "mysql://me:xyzzy-plugh@localhost/results?PASSWORD=xyzzy-plugh",
    ],
)
def test_no_piece_of_a_password_is_shown(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Store(url)
    assert "xyzzy" not in str(caught.value)
    assert "plugh" not in str(caught.value)
    assert "results" in str(caught.value) or "localhost" in str(caught.value)


def test_masking_leaves_what_is_no_password() -> None:
    for words in (
        "'sqlite:///data/unlearnbench.db': run it again",
        "see https://example.org/a?passage=2",
        "postgresql+psycopg://me@host:5432/db?sslmode=require",
    ):
        assert masked(words) == words
    assert (
        masked("cannot open 'postgresql://a:b@c/d?password=e': no")
        == "cannot open 'postgresql://a:***@c/d?password=***': no"
    )


def foreign(path: Path, *, log: bool = False) -> dict[str, bytes]:
    """The database of another program, with a write-ahead log that was not closed: its files."""
    source = path.with_name("source.db")
    with closing(sqlite3.connect(source)) as connection:
        if log:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE photos (name TEXT)")
        connection.execute("INSERT INTO photos VALUES ('cat')")
        connection.commit()
        for end in ("", "-wal") if log else ("",):
            shutil.copy(f"{source}{end}", f"{path}{end}")
    return {end: Path(f"{path}{end}").read_bytes() for end in ("", "-wal") if Path(f"{path}{end}").exists()}


@pytest.mark.parametrize("log", [False, True])
def test_the_database_of_another_program_stays_as_it_is(tmp_path: Path, log: bool) -> None:
    path = tmp_path / "photos.db"
    before = foreign(path, log=log)
    assert len(before) == 1 + log
    for refused in (lambda: Store(str(path)), lambda: Store(str(path), create=False), lambda: upgrade(str(path))):
        with pytest.raises(UsageError, match=r"photos\.db is not a results database: choose another one"):
            refused()
        assert {end: Path(f"{path}{end}").read_bytes() for end in before} == before


@pytest.mark.parametrize("mount", ["file", "folder"])
def test_a_store_that_cannot_be_written_can_be_read(
    tmp_path: Path, mount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.db"
    with Store(str(path)) as store:
        store.add(rows.whole())
    before, locked = path.read_bytes(), path if mount == "file" else tmp_path
    monkeypatch.setattr(os, "access", lambda place, mode: not (mode & os.W_OK and Path(place) == locked))  # for root
    with Store(str(path), create=False) as store:
        assert store.stored_trials(["t"]) == {"t"}
        assert [file.name for file in tmp_path.iterdir()] == ["results.db"], "nothing is created beside it"
        with pytest.raises(HarnessError, match=r"cannot write the results database .*readonly"):
            store.finish_run("r", datetime(2026, 1, 1))
    assert path.read_bytes() == before


def test_a_new_store_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        with Store(str(tmp_path / "results.db")) as store:
            store.add(rows.whole())
            modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o664}, "two users of one group can share it"


def test_reading_a_store_that_is_not_there_creates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(UsageError, match="no results database at"):
        Store(str(path), create=False)
    assert not path.exists()


def test_reading_an_empty_database_creates_nothing(database: str) -> None:
    engine = create_engine(database)
    engine.connect().close()
    with pytest.raises(UsageError, match=r"no results database at .*: the database is empty"):
        Store(database, create=False)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
