"""What others send is checked: whatever cannot be the row of a run is refused in one sentence, and nothing is added."""

from __future__ import annotations

import json
import math
import sqlite3
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

import unlearnbench
from tests.store.valid import START, now, whole, written
from unlearnbench.boundary.isolation import LEVELS
from unlearnbench.errors import UsageError
from unlearnbench.evaluation.predictions import pack, unpack
from unlearnbench.store import row_types
from unlearnbench.store.checks import Checks
from unlearnbench.store.dump import dump
from unlearnbench.store.schema import SCHEMA_VERSION, TABLES, Base
from unlearnbench.store.staging import staged_file
from unlearnbench.store.store import Store

ROOT = Path(__file__).parents[2]
Row = dict[str, Any]


def table_rows(found: list[Base] | None = None) -> dict[str, list[Row]]:
    """The rows by table."""
    tables: dict[str, list[Row]] = {table.name: [] for table in TABLES}
    for row in found or whole():
        tables[row.__tablename__].append({column.name: getattr(row, column.name) for column in row.__table__.columns})
    return tables


def check(tables: dict[str, list[Row]]) -> None:
    checks = Checks("theirs.db")
    for table in TABLES:
        for row in tables[table.name]:
            assert checks.row(table, row) == row
    checks.end()


def test_what_a_run_leaves_is_accepted() -> None:
    for isolation in LEVELS:
        check(table_rows(whole(isolation=isolation)))


@pytest.mark.parametrize("file", ["leaderboard/digits/seed-0.jsonl", "tests/store/v6.jsonl"])
def test_what_runs_left_is_accepted(file: str) -> None:
    with staged_file(ROOT / file) as staged, staged.store.engine.connect() as connection:
        assert connection.execute(select(TABLES[-1])).first() is not None


def test_the_levels_of_isolation_are_those_of_the_boundary() -> None:
    assert get_args(row_types.Isolation) == LEVELS


FUTURE = datetime(2099, 1, 1)
DEEP: Any = {}
for _ in range(5000):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("runs", "started_at", FUTURE),
        ("runs", "started_at", datetime(9999, 12, 31, 23, 59, 59)),
        ("runs", "started_at", datetime(2025, 12, 31)),
        ("runs", "started_at", now() + timedelta(hours=1)),
        ("runs", "started_at", 5),
        ("runs", "finished_at", START - timedelta(seconds=1)),
        ("runs", "finished_at", FUTURE),
        ("runs", "id", "not a run"),
        ("runs", "suite", "another"),
        ("runs", "suite", "x" * 201),
        ("runs", "suite_specification", {}),
        ("runs", "suite_specification", []),
        ("runs", "suite_specification", DEEP),
        ("runs", "suite_specification", {"a": [0] * 30_000}),
        ("runs", "versions", {"torch": {"a": 1}}),
        ("runs", "versions", {"torch": 10**400}),
        ("runs", "hardware", "two cores"),
        ("runs", "hardware", {"a": math.nan}),
        ("runs", "protocol_version", 99),
        ("runs", "protocol_version", True),
        ("runs", "workers", 0),
        ("runs", "isolation", "none"),
        ("runs", "precision", "float64"),
        ("runs", "revision", "\x1b[2J"),
        ("runs", "data_fingerprint", "A" * 64),
        ("problems", "specification", {"case": 1, "discovery_rate": 0.5}),
        ("problems", "key", "0" * 64),
        ("problems", "corruption", "poison"),
        ("problems", "regularity", "medium?"),
        ("problems", "discovery_rate", 0.25),
        ("problems", "corruption_seed", 1),
        ("problems", "corrupted", -1),
        ("problems", "discovered", 0),
        ("problems", "discovered", 10**6),
        ("problems", "dataset", "cifar10"),
        ("originals", "specification", {}),
        ("originals", "memorised", 1.5),
        ("originals", "absorbed", False),
        ("originals", "absorbed", 1),
        ("originals", "capacity", 1.0),
        ("originals", "training", "tied-dropout"),
        ("originals", "training_seed", 3),
        ("originals", "seconds", math.inf),
        ("originals", "key", "0" * 64),
        ("submissions", "name", "A name"),
        ("submissions", "title", "x" * 201),
        ("submissions", "title", "a\nb"),
        ("submissions", "authors", ["a", 1]),
        ("submissions", "role", "winner"),
        ("submissions", "source_hash", "0" * 63),
        ("submissions", "hyperparameters", {"a": math.inf}),
        ("planned_trials", "trial_key", "0" * 64),
        ("planned_trials", "run_id", "0" * 32),
        ("planned_trials", "submission_key", "0" * 64),
        ("planned_trials", "capacity", 0.25),
        ("planned_trials", "unlearning_seed", 1),
        ("trials", "key", "0" * 64),
        ("trials", "key", b"0"),
        ("trials", "run_id", "0" * 32),
        ("trials", "problem_key", "0" * 64),
        ("trials", "original_key", "0" * 64),
        ("trials", "unlearning_seed", 1),
        ("trials", "unlearning_seed", 2**63),
        ("trials", "training_seed", 1),
        ("trials", "state", "failed"),
        ("trials", "state", "won"),
        ("trials", "reason", "it failed"),
        ("trials", "detail", "x" * 20_001),
        ("trials", "healed_train", math.nan),
        ("trials", "healed_train", 7.0),
        ("trials", "healed_train", None),
        ("trials", "utility", -0.1),
        ("trials", "utility", "0.5"),
        ("trials", "aggregate", 0.99),
        ("trials", "selection_score", math.inf),
        ("trials", "seconds", -1.0),
        ("trials", "forward_samples", -1),
        ("trials", "weights_hash", None),
        ("trials", "isolation", "strict"),
        ("trials", "limits", "none"),
        ("trials", "precision", "bfloat16"),
        ("trials", "threads", 2),
        ("trials", "device", "x" * 101),
        ("trials", "device", "cuda"),
        ("trials", "protocol_version", 1),
        ("trials", "created_at", START - timedelta(minutes=1)),
        ("trials", "created_at", FUTURE),
        ("predictions", "trial_key", "0" * 64),
        ("predictions", "train", b""),
        ("predictions", "train", pack(np.zeros(9, dtype=np.int64))),
        ("predictions", "test", b"nonsense"),
        ("predictions", "test", pack(np.zeros(60, dtype=np.int64)) + b"more"),
        ("predictions", "triggered_test", pack(np.zeros(60, dtype=np.int64))),
    ],
)
def test_one_wrong_value_is_one_sentence(table: str, field: str, value: Any) -> None:
    tables = table_rows()
    tables[table][0 if table != "predictions" else -2][field] = value
    with pytest.raises(UsageError, match=r"^theirs.db: table '\w+', row .*, field '[\w.]+': ") as caught:
        check(tables)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_forged_keys_of_another_trial_are_found() -> None:
    """The record of one problem under the key of another: every value by itself is one of a run."""
    tables = table_rows()
    first, second = tables["trials"]
    first["key"], second["key"] = second["key"], first["key"]
    with pytest.raises(UsageError, match=r"table 'trials', row '.*', field 'key': does not agree"):
        check(tables)


def test_what_is_missing_or_there_twice_is_found() -> None:
    changes: list[tuple[Callable[[Any], Any], str]] = [
        (lambda tables: tables["predictions"].pop(), "a finished trial needs predictions"),
        (lambda tables: tables["trials"].append(tables["trials"][0]), "two rows have it"),
        (lambda tables: tables["runs"].clear(), "refers to a missing row of 'runs'"),
        (lambda tables: tables["trials"][0].pop("utility"), "field 'utility': Field required"),
        (lambda tables: tables["trials"][0].update(colour=1), "field 'colour': Extra inputs"),
    ]
    for change, says in changes:
        tables = table_rows()
        change(tables)
        with pytest.raises(UsageError, match=says):
            check(tables)


def test_a_run_has_one_state_of_a_method() -> None:
    """Else a forged plan could bring another one into a run that was believed."""
    tables, forged = table_rows(), table_rows(whole(source="2"))
    for name in ("submissions", "planned_trials"):
        tables[name] += forged[name]
    with pytest.raises(UsageError, match=r"table 'planned_trials', row '.*', field 'submission_key'"):
        check(tables)


def test_a_bomb_of_predictions_is_refused_without_unpacking_it() -> None:
    bomb = zlib.compress(bytes(2**29), 9)
    assert len(bomb) < 2**20
    tables = table_rows()
    tables["predictions"][0]["train"] = bomb
    tracemalloc.start()
    with pytest.raises(UsageError, match=r"table 'predictions', row '.*', field 'train': must be packed predictions"):
        check(tables)
    with pytest.raises(ValueError, match="more than 200 samples"):
        unpack(bomb, 200)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**26


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    with Store(str(folder / "small.db")) as store:
        store.add(whole())
        (path,) = dump(store.engine, "tiny", folder / "board")
    return path


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("theirs") / "theirs.db")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=80),
    st.sampled_from(
        ["process", "finished", "failed", "float32", "2099-01-01 00:00:00.000000", "{}", "[" * 3000, "9" * 5000]
    ),
    st.recursive(
        st.none() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    ),
)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def content(store: Store) -> dict[str, list[Any]]:
    with store.engine.connect() as connection:
        return {table.name: list(connection.execute(select(table))) for table in Base.metadata.sorted_tables}


def accepted(add: Callable[[], Any], target: Path) -> None:
    """Everything is added, or it is one sentence and nothing is."""
    with Store(str(target)) as store:
        store.add(whole(run="f", source="f"))
        before = content(store)
        refused = ""
        try:
            add()
        except UsageError as error:
            refused = str(error)
        assert "\n" not in refused
        if refused:
            assert content(store) == before
        else:
            assert len(content(store)["origins"]) == 1


@FUZZ
@given(data=st.data())
def test_any_change_of_a_board_file_is_accepted_or_refused(data: st.DataObject, board: Path, tmp_path: Path) -> None:
    lines = board.read_text().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    row = json.loads(lines[number])
    field = data.draw(st.sampled_from(sorted(row)))
    row[field] = data.draw(VALUES | st.sampled_from([row[field]]))
    schema = data.draw(st.sampled_from([7, 9, SCHEMA_VERSION, SCHEMA_VERSION]))
    try:
        lines[number] = json.dumps(row, sort_keys=True, separators=(",", ":"))
    except ValueError:
        return
    found = [json.loads(line) for line in lines] if schema < SCHEMA_VERSION else []
    if found and isinstance(found[0], dict) and "schema" in found[0]:
        found[0]["schema"] = schema
        for item in found:
            item.pop("earlier", None)
            if schema == 7:
                item.pop("limits", None)
        lines = [json.dumps(item, sort_keys=True, separators=(",", ":")) for item in found]
    changed = tmp_path / "changed.jsonl"
    changed.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="replace")
    (tmp_path / "all.db").unlink(missing_ok=True)
    accepted(lambda: unlearnbench.load([changed], tmp_path / "all.db"), tmp_path / "all.db")


@FUZZ
@given(data=st.data())
def test_any_change_of_a_store_is_accepted_or_refused(data: st.DataObject, theirs: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.db"
    changed.write_bytes(theirs.read_bytes())
    table = data.draw(st.sampled_from(TABLES))
    column = data.draw(st.sampled_from([column.name for column in table.columns]))
    value = data.draw(VALUES | st.binary(max_size=50))
    if isinstance(value, dict | list):
        value = json.dumps(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value)
    connection = sqlite3.connect(changed)
    try:
        connection.execute(f"UPDATE OR REPLACE {table.name} SET {column} = ?", (value,))
        connection.commit()
    except (sqlite3.IntegrityError, UnicodeEncodeError):
        return
    finally:
        connection.close()
    for old in tmp_path.glob("all.db*"):
        old.unlink()
    accepted(lambda: unlearnbench.merge([changed], tmp_path / "all.db"), tmp_path / "all.db")


@FUZZ
@given(place=st.floats(0, 1, exclude_max=True), change=st.binary(min_size=1, max_size=30))
def test_any_damage_of_a_file_is_accepted_or_refused(
    place: float, change: bytes, theirs: Path, board: Path, tmp_path: Path
) -> None:
    for source, add in ((theirs, unlearnbench.merge), (board, unlearnbench.load)):
        content_of = bytearray(source.read_bytes())
        at = int(place * len(content_of))
        content_of[at : at + len(change)] = change
        damaged = tmp_path / f"damaged-{source.name}"
        damaged.write_bytes(content_of)
        for old in tmp_path.glob("all.db*"):
            old.unlink()
        accepted(lambda add=add, damaged=damaged: add([damaged], tmp_path / "all.db"), tmp_path / "all.db")  # type: ignore[misc]
