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
from sqlalchemy import Connection, Engine, MetaData, create_engine, insert, inspect, select, text

from tests import rows
from unlearnbench.errors import UsageError
from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.store import migrations
from unlearnbench.store.migrations import FIRST_VERSION, migrate, stored_version, upgrade
from unlearnbench.store.schema import SCHEMA_VERSION, Base
from unlearnbench.store.store import Store


def content(url: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, by table."""
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        found = {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in tables.sorted_tables
        }
    engine.dispose()
    return found


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


def test_an_old_store_is_refused_with_the_remedy(first: str, next_version: int) -> None:
    with pytest.raises(
        UsageError, match=r"schema version 6, but this version reads \d+: run `unlearnbench store upgrade --database "
    ):
        Store(first)


def test_every_row_survives_and_new_columns_have_values(first: str, next_version: int) -> None:
    before = content(first)
    assert upgrade(first) == (6, next_version)
    after = content(first)
    assert [len(before[table]) for table in ("runs", "planned_trials", "trials", "predictions")] == [2, 16, 13, 9]
    for row in before["problems"]:  # revision 7 names the case of a problem
        case = row["specification"]
        row["specification"] = {"discovery_rate": case.pop("discovery_rate"), "case": case}
    for row in before["originals"]:
        row["specification"]["case"] = row["specification"].pop("problem")
    for table in set(before) - {"alembic_version", "submissions"}:
        kept = [{name: row[name] for name in old} for old, row in zip(before[table], after[table], strict=True)]
        assert kept == before[table], table
    assert all(row["colour"] == row["state"] for row in after["trials"])
    assert {row["limits"] for row in after["trials"]} == {"counted"}
    assert after["origins"] == after["origin_entries"] == [], "what was stored before is the store's own"
    assert [row["license"] for row in after["submissions"]] == ["APACHE-2.0"] * 3
    with Store(first) as store:
        assert len(read_board(store.engine, "tiny").frame) == 12


def test_reports_read_an_upgraded_store(first: str) -> None:
    upgrade(first)
    with Store(first) as store:
        frame = read_board(store.engine, "tiny").frame
        interrupted = read_board(store.engine, "tiny-quarter").frame
    assert frame.groupby("method")["state"].unique().map(list).to_dict() == {
        "finetune": ["finished"],
        "leaves": ["failed"],
        "nothing": ["finished"],
    }
    assert frame["selection_score"].isna().all()
    table = ranking(frame).set_index("method")
    assert table.index[0] == "finetune"
    assert table.loc[["leaves"], ["aggregate", "failed"]].to_numpy().tolist() == [[0, 4]]
    assert sorted(interrupted["state"]) == ["finished", "missing", "missing", "missing"]
    assert set(interrupted["capacity"]) == {0.25}


def test_a_store_of_the_version_before_keeps_every_row(database: str) -> None:
    engine = create_engine(database)
    with engine.begin() as connection:
        migrate(connection, SCHEMA_VERSION - 1)
        tables = MetaData()
        tables.reflect(connection)
        for row in (*rows.whole(), rows.failed(key="u")):
            table = tables.tables[row.__tablename__]
            connection.execute(insert(table), {column.name: getattr(row, column.name) for column in table.columns})
    engine.dispose()
    before = content(database)
    assert [len(before[table]) for table in ("runs", "planned_trials", "trials", "predictions")] == [1, 1, 2, 1]
    assert upgrade(database) == (SCHEMA_VERSION - 1, SCHEMA_VERSION)
    after = content(database)
    assert before.pop("alembic_version") != after.pop("alembic_version")
    assert [row.pop("earlier") for row in after["trials"]] == [None, None]
    assert after == before


def test_upgrading_twice_changes_nothing(first: str, next_version: int) -> None:
    upgrade(first)
    before = content(first)
    assert upgrade(first) == (next_version, next_version)
    assert content(first) == before


def test_several_may_upgrade_at_once(first: str, next_version: int) -> None:
    barrier = threading.Barrier(3)

    def do() -> tuple[int, int]:
        barrier.wait()
        return upgrade(first)

    with ThreadPoolExecutor(3) as pool:
        done = [future.result() for future in [pool.submit(do) for _ in range(3)]]
    assert sorted(done) == [(6, next_version)] + 2 * [(next_version, next_version)]
    with Store(first) as store:
        assert len(read_board(store.engine, "tiny").frame) == 12


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(
    first: str, next_version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(first)

    def fail_at_the_end(connection: Connection, to: int) -> None:
        migrate(connection, to)
        raise RuntimeError("the power is gone")

    monkeypatch.setattr(migrations, "migrate", fail_at_the_end)
    with pytest.raises(RuntimeError, match="power"):
        upgrade(first)
    assert content(first) == before


@pytest.mark.parametrize("content", ["[1]", '{"a": 1}', "null", '"text"'])
def test_content_that_no_version_wrote_is_one_sentence(content: str, first: str) -> None:
    engine = create_engine(first)
    with engine.begin() as connection:
        connection.execute(text("UPDATE problems SET specification = :content"), {"content": content})
    engine.dispose()
    with pytest.raises(
        UsageError, match=r"has rows that no version wrote, so it was not upgraded \(\w+: .*\): it is dam"
    ):
        upgrade(first)


def test_there_must_be_a_store_to_upgrade(database: str, tmp_path: Path) -> None:
    engine = create_engine(database)
    engine.connect().close()
    with pytest.raises(UsageError, match="is an empty database: there is nothing to upgrade"):
        upgrade(database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE trials (key INTEGER)"))
    with pytest.raises(UsageError, match="not a results database"):
        upgrade(database)
    engine.dispose()
    with pytest.raises(UsageError, match="no results database at"):
        upgrade(str(tmp_path / "none.db"))


def test_a_store_of_any_version_is_upgraded(database: str, next_version: int) -> None:
    """Also one that has a version between the first and this one."""
    for version in range(FIRST_VERSION, next_version):
        engine = create_engine(database)
        with engine.begin() as connection:
            migrate(connection, version)
            assert stored_version(connection) == version
        assert upgrade(database) == (version, next_version)
        with engine.begin() as connection:
            everything = MetaData()
            everything.reflect(connection)
            everything.drop_all(connection)
        engine.dispose()


@pytest.mark.parametrize("change", ["UPDATE alembic_version SET version_num = '0005'", "DROP TABLE alembic_version"])
def test_a_store_from_before_the_first_release_is_refused(first: str, change: str) -> None:
    engine = create_engine(first)
    with engine.begin() as connection:
        connection.execute(text(change))
    engine.dispose()
    for opened in (Store, upgrade):
        with pytest.raises(
            UsageError, match=r"was written before the first release and cannot be upgraded: run its suites again"
        ):
            opened(first)


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
        migrate(connection, SCHEMA_VERSION)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_revisions_are_numbered_like_the_schema() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [f"{SCHEMA_VERSION:04}"]
    numbers = [script.revision for script in scripts.walk_revisions()]
    assert numbers == [f"{number:04}" for number in range(SCHEMA_VERSION, FIRST_VERSION - 1, -1)]
    assert (Path(scripts.versions) / "__init__.py").is_file(), "only packages are installed"
