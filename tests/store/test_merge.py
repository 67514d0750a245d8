"""Stores of several machines become one: nothing is lost, nothing is overwritten, what disagrees is said."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from tests import rows
from tests.store.boards import added
from unlearnbench.errors import UsageError
from unlearnbench.evaluation.predictions import pack
from unlearnbench.store import merge as module
from unlearnbench.store.merge import Conflict
from unlearnbench.store.schema import TABLES, Base, OriginalRow, PlannedTrialRow, PredictionRow, RunRow, TrialRow
from unlearnbench.store.store import Store, insert_new

LATER = rows.NOW + timedelta(hours=1)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Makes another store, on SQLite, that holds these rows; a row replaces the one of its table in `rows.whole`."""
    made: list[Store] = []

    def make(*changed: Base) -> Store:
        store = Store(str(tmp_path / f"other{len(made)}.db"))
        made.append(store)
        kinds = {type(row) for row in changed}
        store.add([*(row for row in rows.whole() if type(row) not in kinds), *changed])
        return store

    yield make
    for store in made:
        store.engine.dispose()


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in TABLES
        }


def test_an_empty_store_becomes_the_other(store: Store, other: Any) -> None:
    source = other(rows.trial(), rows.failed(key="u"), rows.planned(), rows.planned(trial_key="missing"))
    merged = added(source, store)
    assert everything(store) == everything(source)
    assert merged.conflicts == ()
    assert dict(merged.added) == dict.fromkeys(("runs", "problems", "originals", "submissions"), 1) | {
        "trials": 2,
        "planned_trials": 2,
    }


def test_merging_again_adds_nothing(store: Store, other: Any) -> None:
    source = other()
    added(source, store)
    before = everything(store)
    again = added(source, store)
    assert everything(store) == before
    assert again.added.total() == 0
    assert again.known.total() == 6
    assert again.conflicts == ()


def test_into_another_database_and_back(store: Store, other: Any) -> None:
    """From SQLite into this one and from this one into SQLite: every type arrives as it was."""
    source = other()
    added(source, store)
    back = Store(str(Path(str(source.engine.url.database)).with_name("back.db")))
    added(store, back)
    assert everything(back) == everything(source)
    back.engine.dispose()


def test_two_machines_share_a_suite(store: Store, other: Any) -> None:
    """One trial was run on both, and each has one of its own."""
    store.add([*rows.whole(), rows.planned(trial_key="mine"), rows.trial(key="mine")])
    mine = everything(store)
    source = other(
        rows.run(id="r2"),
        rows.planned(run_id="r2"),
        rows.planned(run_id="r2", trial_key="theirs"),
        rows.trial(run_id="r2", created_at=LATER, seconds=9.0, evaluation_seconds=1.0, total_seconds=10.0),
        rows.trial(run_id="r2", key="theirs"),
        rows.prediction(),
        rows.prediction([7, 8, 9], trial_key="theirs"),
        rows.original(seconds=0.0),
    )
    merged = added(source, store)
    assert merged.conflicts == (), "times are no content"
    assert dict(merged.added) == {
        **dict.fromkeys(("problems", "originals", "submissions"), 0),
        **{"runs": 1, "planned_trials": 2, "trials": 1},
    }
    after = everything(store)
    for table, stored in mine.items():
        assert [row for row in after[table] if row in stored] == stored, table
    with Session(store.engine) as session:
        assert session.get_one(TrialRow, "theirs").run_id == "r2"
        assert session.get_one(TrialRow, "t").seconds == 2.0
        assert session.get_one(PredictionRow, "theirs").train == pack(np.array([7, 8, 9]))
        assert len(session.scalars(select(PlannedTrialRow)).all()) == 4


def test_what_disagrees_is_a_conflict_and_the_rest_is_merged(store: Store, other: Any) -> None:
    store.add(rows.whole())
    source = other(
        *(rows.run(), rows.run(id="r2")),
        rows.trial(healed_test=0.25, weights_hash="b" * 64, seconds=77.0),
        rows.trial(key="theirs", run_id="r2"),
        rows.original(memorised=0.95),
        rows.submission(title="Another title"),
        rows.problem(training_fingerprint="e" * 64),
    )
    before = everything(store)
    merged = added(source, store)
    trial, problem = ("npo", "random-swap at 30%, seed 1099511627776"), "random-swap at 30%, seed 1099511627776"
    assert set(merged.conflicts) == {
        Conflict("problems", "p", "", problem, "training_fingerprint", "f" * 64, "e" * 64),
        Conflict("originals", "o", "", "random-swap, seed 7", "memorised", 0.9, 0.95),
        Conflict("submissions", "s", "npo", "", "title", "NPO", "Another title"),
        Conflict("trials", "t", *trial, "healed_test", 1 / 3, 0.25),
        Conflict("trials", "t", *trial, "weights_hash", "a" * 64, "b" * 64),
    }
    after = everything(store)
    assert [row["key"] for row in after["trials"]] == ["t", "theirs"]
    after["trials"].pop()
    assert after["runs"].pop()["id"] == "r2"
    assert after == before, "what the target says is kept"


def test_the_settings_of_an_original_are_in_its_key(store: Store, other: Any) -> None:
    store.add(rows.whole())
    stored = rows.original().specification
    later = {"case": stored["case"], "recipe": {"a_later_setting": "at its default"}}
    assert later != stored
    assert added(other(rows.original(specification=later)), store).conflicts == ()
    assert everything(store)["originals"][0]["specification"] == stored


def test_failed_here_and_finished_there(store: Store, other: Any) -> None:
    """A failed record does not get the predictions of another one."""
    store.add([row for row in rows.whole() if not isinstance(row, TrialRow | PredictionRow)] + [rows.failed()])
    merged = added(other(), store)
    fields = {item.field: (item.kept, item.other) for item in merged.conflicts}
    assert fields["state"] == ("failed", "finished")
    assert fields["reason"] == ("raised: ValueError: no", None)
    assert fields["aggregate"] == (None, 0.4)
    with Session(store.engine) as session:
        assert session.get(PredictionRow, "t") is None
        assert session.get_one(TrialRow, "t").state == "failed"


def test_predictions_are_compared_by_what_they_say(store: Store, other: Any) -> None:
    store.add(rows.whole())
    same = zlib.compress(zlib.decompress(pack(np.array([1, 2, 3]))), 0)
    changed = rows.prediction([1, 2, 4], test=same, triggered_test=pack(np.array([1])))
    assert same != pack(np.array([1, 2, 3]))
    merged = added(other(changed), store)
    assert [(item.field, item.kept, item.other) for item in merged.conflicts] == [
        ("predictions (train)", "3 samples", "1 of them in another class"),
        ("predictions (triggered_test)", "none", "some"),
    ]
    assert {(item.table, item.key, item.method) for item in merged.conflicts} == {("trials", "t", "npo")}


def test_predictions_are_not_attached_to_a_record_without(store: Store, other: Any) -> None:
    store.add([row for row in rows.whole() if not isinstance(row, PredictionRow)])
    assert added(other(), store).conflicts == ()
    with Session(store.engine) as session:
        assert session.get(PredictionRow, "t") is None


def test_a_later_copy_brings_the_end_of_its_run(store: Store, other: Any) -> None:
    added(other(rows.run(finished_at=None)), store)
    assert added(other(rows.run(finished_at=LATER)), store).conflicts == ()
    added(other(rows.run(finished_at=None)), store)
    with Session(store.engine) as session:
        assert session.get_one(RunRow, "r").finished_at == LATER


def test_a_run_that_was_made_here_is_ended_and_extended_by_nobody_else(store: Store, other: Any) -> None:
    store.add(rows.whole())
    before = everything(store)
    added(other(rows.run(finished_at=LATER)), store)
    assert everything(store) == before
    for forged in (rows.planned(trial_key="u"), rows.trial(key="u")):
        with pytest.raises(UsageError, match=r"other: table '\w+', row '.*u', field 'run_id': run r was made by this"):
            added(other(rows.run(id="r2"), rows.run(), rows.trial(), forged), store)
        assert everything(store) == before


def test_in_chunks(store: Store, other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 3)
    keys = [f"t{index}" for index in range(10)]
    source = other(
        *(rows.trial(key=key) for key in keys),
        *(rows.planned(run_id=run, trial_key=key) for run in ("r", "r2") for key in keys),
        *(rows.prediction([index], trial_key=key) for index, key in enumerate(keys)),
        *(rows.run(id=run) for run in ("r", "r2")),
    )
    added(other(), store)
    merged = added(source, store)
    assert merged.added == {"runs": 1, "planned_trials": 20, "trials": 10} | dict.fromkeys(
        ("problems", "originals", "submissions"), 0
    )
    after, wanted = everything(store), everything(source)
    for table in ("planned_trials", "trials", "predictions"):
        assert len(after[table]) == len(wanted[table]) + 1
        assert all(row in after[table] for row in wanted[table])


def test_a_merge_that_fails_adds_nothing(store: Store, other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = other()

    def fail(*_arguments: object) -> None:
        raise RuntimeError("the network is gone")

    monkeypatch.setattr(module, "_predictions", fail)
    with pytest.raises(RuntimeError, match="network"):
        added(source, store)
    assert not any(everything(store).values())


def test_the_source_is_read_as_of_one_moment(store: Store, other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on in the source while it is merged adds rows that refer to others that were not read."""
    source = other()

    def insert_and_meanwhile(connection: Any, table: Any, new: Any) -> None:
        insert_new(connection, table, new)
        if table.name == "runs":
            late = rows.run(id="late")
            source.add([late, rows.planned(run_id="late"), rows.trial(key="late", run_id="late")])

    monkeypatch.setattr(module, "insert_new", insert_and_meanwhile)
    added(source, store)
    with Session(store.engine) as session:
        assert session.get(TrialRow, "late") is None
        assert session.get_one(OriginalRow, "o").memorised == 0.9
    monkeypatch.undo()
    added(source, store)
    with Session(store.engine) as session:
        assert session.get_one(TrialRow, "late").run_id == "late"


def test_a_target_that_is_locked_is_one_sentence(tmp_path: Path, other: Any) -> None:
    source = other()
    with Store(str(tmp_path / "target.db")) as store:
        event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=20"))
        store.engine.dispose()  # the next connection hears that
        writer = sqlite3.connect(tmp_path / "target.db")
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(UsageError, match=r"cannot merge .*: database is locked"):
            added(source, store)
        writer.close()
