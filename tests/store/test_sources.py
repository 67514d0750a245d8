"""The store of somebody else is read without changing it, and whatever is in the place of a table is refused."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine

import unlearnbench
from tests.store.valid import whole, written
from unlearnbench.errors import UsageError
from unlearnbench.store import sources
from unlearnbench.store.schema import TABLES, RunRow
from unlearnbench.store.sources import name_of, opened
from unlearnbench.store.store import Store

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    (tmp_path / "theirs").mkdir()
    return written(tmp_path / "theirs" / "results.db")


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def state(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_file_is_not_changed_by_reading_it(mode: str, theirs: Path, tmp_path: Path) -> None:
    change(theirs, f"PRAGMA journal_mode={mode}")
    before = state(theirs.parent)
    unlearnbench.merge([theirs], tmp_path / "all.db")
    assert state(theirs.parent) == before
    change(theirs, "DROP TABLE predictions")
    before = state(theirs.parent)
    with pytest.raises(UsageError, match="table 'predictions' has other columns"):
        unlearnbench.merge([theirs], tmp_path / "all.db")
    assert state(theirs.parent) == before


def test_what_another_harness_is_writing_is_read_as_of_one_moment(theirs: Path, tmp_path: Path) -> None:
    """Its rows may still be in the write-ahead log."""
    with Store(str(theirs)) as store:
        store.add([row for row in whole(run="b", source="2") if isinstance(row, RunRow)])
        assert Path(f"{theirs}-wal").stat().st_size > 0
        before = theirs.read_bytes()
        with opened(str(theirs)) as (rows_of, _):
            store.add([row for row in whole(run="c", source="3") if isinstance(row, RunRow)])
            runs = next(table for table in TABLES if table.name == "runs")
            assert sorted(row["id"][0] for row in rows_of(runs)) == ["a", "b"]
        assert theirs.read_bytes() == before


def test_a_file_that_is_changed_while_it_is_read_is_refused(theirs: Path) -> None:
    with pytest.raises(UsageError, match="was changed while it was read"), opened(str(theirs)):
        theirs.write_bytes(theirs.read_bytes() + b"\0")


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (("ALTER TABLE trials RENAME TO t", "CREATE VIEW trials AS SELECT * FROM t"), "'trials' is not a plain table"),
        (("ALTER TABLE runs RENAME TO r", f"CREATE VIEW Runs AS {ENDLESS}"), "'Runs' is not a plain table"),
        (("DROP TABLE alembic_version", f"CREATE VIEW alembic_version AS {ENDLESS}"), "'alembic_version' is not a"),
        (("DROP TABLE predictions", "CREATE VIRTUAL TABLE predictions USING fts5(trial_key)"), "not a plain table"),
        (("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM trials; END",), "'runs' has a trigger"),
        (("ALTER TABLE runs ADD COLUMN x GENERATED ALWAYS AS (1)",), "table 'runs' has other columns"),
        (("ALTER TABLE runs ADD COLUMN x INTEGER",), "table 'runs' has other columns"),
        (("ALTER TABLE trials DROP COLUMN reason",), "table 'trials' has other columns"),
        (("UPDATE alembic_version SET version_num = '9999'",), "use the version of unlearnbench that wrote it"),
        (("UPDATE predictions SET train = zeroblob(5000000)",), "string or blob too big"),
        (("UPDATE runs SET revision = CAST(x'ff' AS TEXT)",), "Could not decode to UTF-8"),
    ],
)
def test_what_is_not_the_table_of_a_store_is_one_sentence(
    statements: tuple[str, ...], says: str, theirs: Path, tmp_path: Path
) -> None:
    change(theirs, *statements)
    begin = time.monotonic()
    with pytest.raises(UsageError, match=says) as caught:
        unlearnbench.merge([theirs], tmp_path / "all.db")
    assert str(theirs) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begin < 5
    assert not (tmp_path / "all.db").exists()


def test_a_source_that_takes_too_long_is_interrupted(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if what is no table had not been found."""
    endless = ENDLESS.removesuffix("SELECT x FROM n")
    change(theirs, "ALTER TABLE runs RENAME TO r", f"CREATE VIEW runs AS {endless} SELECT r.* FROM r, n WHERE x < 0")
    monkeypatch.setattr(sources, "SECONDS", 0.2)
    monkeypatch.setattr(sources, "_check_file", lambda connection, name: None)
    with pytest.raises(UsageError, match=r"took longer than 0 seconds to give its next rows; nothing of it was added"):
        unlearnbench.merge([theirs], tmp_path / "all.db")


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    for name, content in (("text.db", b"no database\n" * 1000), ("empty.db", b""), ("cut.db", b"SQLite format 3\0")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UsageError, match=name):
            unlearnbench.merge([path], tmp_path / "all.db")
        assert path.read_bytes() == content


def test_names_have_no_password() -> None:
    assert name_of("a/results.db") == "a/results.db"
    assert name_of("sqlite:///a/results.db") == "a/results.db"
    assert name_of("postgresql+psycopg://me:secret@host/db?password=other") == "postgresql+psycopg://me:***@host/db"


def test_a_server_is_asked_in_a_read_only_transaction(postgresql: str, tmp_path: Path) -> None:
    with Store(postgresql) as store:
        store.add(whole())
    (merged,) = unlearnbench.merge([postgresql], tmp_path / "all.db").values()
    assert merged.added["trials"] == 2
    engine = create_engine(postgresql)

    def on_server(*statements: str) -> None:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    writes = "CREATE FUNCTION spy() RETURNS text LANGUAGE plpgsql AS $$ BEGIN DELETE FROM claims; RETURN 'a'; END $$"
    attempts: list[tuple[tuple[str, ...], tuple[str, ...], str]] = [
        (
            ("UPDATE trials SET detail = repeat('x', 5000000)",),
            ("UPDATE trials SET detail = NULL",),
            "a value of 5000000",
        ),
        (
            (
                "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
                "CREATE TRIGGER t BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION t()",
            ),
            ("DROP TRIGGER t ON runs",),
            "'runs' is not a plain table",
        ),
        (
            (writes, "ALTER TABLE runs RENAME TO r", "CREATE VIEW runs AS SELECT * FROM r WHERE spy() = 'a'"),
            ("DROP VIEW runs", "ALTER TABLE r RENAME TO runs"),
            "'runs' is not a plain table",
        ),
    ]
    for before, after, says in attempts:
        on_server(*before)
        with pytest.raises(UsageError, match=says):
            unlearnbench.merge([postgresql], tmp_path / "all.db")
        on_server(*after)
    engine.dispose()
