"""A store of an older version becomes one of this version, and nothing of it is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, create_engine, inspect, select, text
from sqlalchemy.orm import Session

from unlearnbench.errors import UsageError
from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.store import migrations
from unlearnbench.store.migrations import migrate, stored_version, upgrade
from unlearnbench.store.schema import SCHEMA_VERSION, Base, OriginalRow, PlannedTrialRow, RunRow
from unlearnbench.store.store import Store


def content(url: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, by table."""
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in tables.sorted_tables
        }
    engine.dispose()
    return rows


def structure(engine: Engine) -> dict[str, Any]:
    """All that the database says about its tables, but for the order of columns."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": {item["name"]: str(item) for item in inspector.get_columns(table)},
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": sorted(map(str, inspector.get_foreign_keys(table))),
            "indexes": sorted(map(str, inspector.get_indexes(table))),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
        }
        for table in inspector.get_table_names()
    }


def test_an_old_store_is_refused_with_the_remedy(first: str) -> None:
    with pytest.raises(UsageError, match=r"schema version 1, this version reads \d+: run `unlearnbench store upgrade "):
        Store(first)


def test_every_row_of_the_first_version_survives(first: str) -> None:
    before = content(first)
    assert upgrade(first) == (1, SCHEMA_VERSION)
    after = content(first)
    assert [len(before[table]) for table in ("runs", "planned_trials", "trials", "predictions")] == [2, 16, 13, 9]
    for table in set(before) - {"schema_version"}:
        kept = [{name: row[name] for name in old} for old, row in zip(before[table], after[table], strict=True)]
        assert kept == before[table], table


def test_new_columns_say_what_was_true_of_old_rows(first: str) -> None:
    upgrade(first)
    with Store(first) as store, Session(store.engine) as session:
        suites = dict(session.execute(select(RunRow.id, RunRow.suite)).all())
        originals = {row.key: row for row in session.scalars(select(OriginalRow))}
        planned = session.scalars(select(PlannedTrialRow)).all()
    # One suite stood on half of the channels, the other on a quarter.
    assert sorted(row.capacity for row in originals.values()) == [0.25, 0.5, 0.5]
    assert {row.training for row in originals.values()} == {"standard"}
    for row in planned:
        assert row.capacity == {"tiny": 0.5, "tiny-quarter": 0.25}[suites[row.run_id]]
        assert row.capacity == originals[row.original_key].capacity
        assert row.training == "standard"


def test_reports_read_an_upgraded_store(first: str) -> None:
    upgrade(first)
    with Store(first) as store:
        frame = read_board(store.engine, "tiny").frame
        interrupted = read_board(store.engine, "tiny-quarter").frame
    assert frame.groupby("method")["state"].agg(lambda states: " ".join(states.unique())).to_dict() == {
        "finetune": "finished",
        "leaves": "failed",
        "nothing": "finished",
    }
    assert frame["selection_score"].isna().all()
    table = ranking(frame).set_index("method")
    assert table.index[0] == "finetune"
    assert table.loc["leaves", ["aggregate", "failed"]].tolist() == [0, 4]
    assert sorted(interrupted["state"]) == ["finished", "missing", "missing", "missing"]
    assert set(interrupted["capacity"]) == {0.25}


def test_upgrading_twice_changes_nothing(first: str) -> None:
    upgrade(first)
    before = content(first)
    assert upgrade(first) == (SCHEMA_VERSION, SCHEMA_VERSION)
    assert content(first) == before


def test_several_may_upgrade_at_once(first: str) -> None:
    barrier = threading.Barrier(3)

    def do() -> tuple[int, int]:
        barrier.wait()
        return upgrade(first)

    with ThreadPoolExecutor(3) as pool:
        done = [future.result() for future in [pool.submit(do) for _ in range(3)]]
    assert sorted(done) == [(1, SCHEMA_VERSION)] + 2 * [(SCHEMA_VERSION, SCHEMA_VERSION)]
    with Store(first) as store:
        assert len(read_board(store.engine, "tiny").frame) == 12


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(first)

    def fail_at_the_end(connection: Any) -> None:
        migrate(connection)
        raise RuntimeError("the power is gone")

    monkeypatch.setattr(migrations, "migrate", fail_at_the_end)
    with pytest.raises(RuntimeError, match="power"):
        upgrade(first)
    assert content(first) == before


def test_there_must_be_a_store_to_upgrade(database: str, tmp_path: Path) -> None:
    engine = create_engine(database)
    engine.connect().close()
    with pytest.raises(UsageError, match="is empty: there is no store to upgrade"):
        upgrade(database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE trials (key INTEGER)"))
    with pytest.raises(UsageError, match="not a results database"):
        upgrade(database)
    engine.dispose()
    with pytest.raises(UsageError, match="no results database at"):
        upgrade(str(tmp_path / "none.db"))


def test_a_store_of_any_version_is_upgraded(database: str) -> None:
    """Also one that has a version between the first and this one."""
    for version in range(1, SCHEMA_VERSION):
        engine = create_engine(database)
        with engine.begin() as connection:
            migrate(connection, version)
            if version < 3:  # these kept it in a table of their own
                connection.execute(text("DROP TABLE alembic_version"))
                connection.execute(text(f"INSERT INTO schema_version VALUES ({version})"))
            assert stored_version(connection) == version
        assert upgrade(database) == (version, SCHEMA_VERSION)
        with engine.begin() as connection:
            everything = MetaData()
            everything.reflect(connection)
            everything.drop_all(connection)
        engine.dispose()


def test_an_upgraded_store_has_the_tables_of_a_new_one(first: str, tmp_path: Path) -> None:
    upgrade(first)
    with Store(first) as old:
        upgraded = structure(old.engine)
        if first.startswith("sqlite"):
            with Store(str(tmp_path / "new.db")) as new:
                assert upgraded == structure(new.engine)
            return
        with old.engine.begin() as connection:
            everything = MetaData()
            everything.reflect(connection)
            everything.drop_all(connection)
    with Store(first) as new:
        assert upgraded == structure(new.engine)


def test_the_revisions_make_the_tables_of_the_models(database: str) -> None:
    """What differs is what a new revision must do."""
    engine = create_engine(database)
    with engine.begin() as connection:
        migrate(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_revisions_are_numbered_like_the_schema() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [f"{SCHEMA_VERSION:04}"]
    numbers = [script.revision for script in scripts.walk_revisions()]
    assert numbers == [f"{number:04}" for number in range(SCHEMA_VERSION, 0, -1)]
    assert (Path(scripts.versions) / "__init__.py").is_file(), "only packages are installed"
