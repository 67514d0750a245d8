"""A board as files: all of it arrives, equal rows are equal bytes, and files never change."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select, update

from tests import rows
from tests.store.boards import loaded, small, zero
from unlearnbench.errors import UsageError
from unlearnbench.evaluation.predictions import pack
from unlearnbench.report.numbers.board import read_board
from unlearnbench.store.dump import dump
from unlearnbench.store.migrations import upgrade
from unlearnbench.store.schema import SCHEMA_VERSION, TABLES, Base, PredictionRow, RunRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store

LATER = rows.NOW + timedelta(hours=1)


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.engine.connect() as connection:
        return {
            table.name: sorted((dict(row) for row in connection.execute(select(table)).mappings()), key=str)
            for table in TABLES
        }


def more(run: str, trial: str, **changes: Any) -> list[Base]:
    """A later run that plans the first trial again and records another one."""
    return [
        rows.run(id=run, started_at=LATER),
        rows.planned(run_id=run),
        rows.planned(run_id=run, trial_key=trial),
        rows.trial(key=trial, run_id=run, **changes),
        rows.prediction([4, 5], trial_key=trial),
    ]


def board(store: Store, suite: str) -> pd.DataFrame:
    return read_board(store.engine, suite).frame


def test_all_arrives_and_equal_rows_are_equal_bytes(store: Store, new: Store, tmp_path: Path) -> None:
    store.add(small())
    (written,) = dump(store.engine, "small", tmp_path / "board")
    assert written == tmp_path / "board" / "seed-0.jsonl"
    (merged,) = loaded([written], new)
    assert merged.conflicts == ()
    before = everything(store)
    before["planned_trials"] = [row for row in before["planned_trials"] if row["trial_key"] != "missing"]
    assert everything(new) == before
    assert all(before.values()), "every table has a row"
    (again,) = dump(new.engine, "small", tmp_path / "again")
    assert again.read_bytes() == written.read_bytes()
    assert loaded([written], new)[0].added.total() == 0


def test_into_a_store_of_either_kind(database: str, file: Path, tmp_path: Path) -> None:
    with Store(database) as store:
        loaded([file], store)
        (again,) = dump(store.engine, "small", tmp_path / "again")
    assert again.read_bytes() == file.read_bytes()


def test_the_board_of_real_runs(first: str, new: Store, tmp_path: Path) -> None:
    upgrade(first)
    with Store(first) as store:
        files = dump(store.engine, "tiny", tmp_path / "board")
        loaded(files, new)
        assert board(new, "tiny").equals(board(store, "tiny"))
    again = dump(new.engine, "tiny", tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]


def test_the_form_of_a_file(file: Path) -> None:
    content = file.read_bytes()
    assert content.isascii()
    assert b"\r" not in content
    header, *lines = map(json.loads, content.decode().splitlines())
    assert header == {
        "format": "unlearnbench board",
        "version": 1,
        "schema": SCHEMA_VERSION,
        "suite": "small",
        "seed": {"corruption": 0, "training": 0, "unlearning": 0},
        "rows": dict.fromkeys(("runs", "problems", "originals", "submissions", "predictions"), 1)
        | {"trials": 2, "planned_trials": 2},
    }
    assert [row["key"] for row in lines if row["table"] == "trials"] == ["t", "u"]
    assert next(row for row in lines if row["table"] == "problems")["discovery_rate"] == 0.1 + 0.2


def test_one_file_a_seed(store: Store, new: Store, tmp_path: Path) -> None:
    store.add([*small(), zero(key="p1", corruption_seed=1)])
    for key, training, unlearning in (("a", 1, 1), ("b", 2, 3)):
        store.add([rows.planned(trial_key=key, problem_key="p1")])
        store.add([rows.trial(key=key, problem_key="p1", training_seed=training, unlearning_seed=unlearning)])
    files = dump(store.engine, "small", tmp_path)
    assert [path.name for path in files] == ["seed-0.jsonl", "seed-1.jsonl", "seed-1-2-3.jsonl"]
    loaded(files[2:], new)
    assert [row["key"] for row in everything(new)["trials"]] == ["b"]
    assert [row["key"] for row in everything(new)["problems"]] == ["p1"]


def test_what_is_new_goes_into_a_new_file(store: Store, new: Store, tmp_path: Path) -> None:
    store.add(small())
    (first,) = dump(store.engine, "small", tmp_path)
    before = first.read_bytes()
    assert dump(store.engine, "small", tmp_path) == []
    store.add(more("r2", "v"))
    store.finish_run("r", LATER)
    (second,) = dump(store.engine, "small", tmp_path)
    store.add(more("r3", "w"))
    (third,) = dump(store.engine, "small", tmp_path)
    assert [second.name, third.name] == ["seed-0.part2.jsonl", "seed-0.part3.jsonl"]
    assert first.read_bytes() == before
    assert dump(store.engine, "small", tmp_path) == []
    for order in ([first, second, third], [third, first, second]):
        assert not any(merged.conflicts for merged in loaded(order, new))
    wanted = everything(store)
    # What later runs planned of trials that were written before says nothing new.
    late = {("r2", "t"), ("r3", "t")}
    wanted["planned_trials"] = [
        row
        for row in wanted["planned_trials"]
        if row["trial_key"] != "missing" and (row["run_id"], row["trial_key"]) not in late
    ]
    wanted["runs"][0]["finished_at"] = None  # the end of the first run came after its file
    assert everything(new) == wanted


def test_a_new_seed_is_a_new_file_and_nothing_else(store: Store, new: Store, tmp_path: Path) -> None:
    store.add(small())
    dump(store.engine, "small", tmp_path)
    store.add([zero(key="p1", corruption_seed=1), *more("r2", "v", problem_key="p1", training_seed=1)])
    assert [path.name for path in dump(store.engine, "small", tmp_path)] == ["seed-1-1-0.jsonl"]
    loaded(sorted(tmp_path.glob("*.jsonl")), new)
    assert [row["key"] for row in everything(new)["trials"]] == ["t", "u", "v"]


def test_a_run_that_planned_nothing_new_says_nothing_new(store: Store, tmp_path: Path) -> None:
    store.add(small())
    dump(store.engine, "small", tmp_path)
    store.add(
        [rows.run(id="r2", started_at=LATER), rows.planned(run_id="r2"), rows.planned(run_id="r2", trial_key="u")]
    )
    assert dump(store.engine, "small", tmp_path) == []


def test_only_what_is_kept(store: Store, new: Store, tmp_path: Path) -> None:
    store.add(small())
    loaded(dump(store.engine, "small", tmp_path, keep={"u", "elsewhere"}), new)
    content = everything(new)
    assert [row["key"] for row in content["trials"]] == ["u"]
    assert [row["trial_key"] for row in content["planned_trials"]] == ["u"]
    (rest,) = dump(store.engine, "small", tmp_path)
    loaded([rest], new)
    assert [row["key"] for row in everything(new)["trials"]] == ["t", "u"]


def test_other_suites_stay_out_and_their_record_comes_with_its_run(store: Store, new: Store, tmp_path: Path) -> None:
    store.add(
        [*small(), rows.run(id="o", suite="other"), rows.planned(run_id="o"), rows.planned(run_id="o", trial_key="x")]
    )
    store.add([rows.trial(key="x")])
    loaded(dump(store.engine, "other", tmp_path), new)
    content = everything(new)
    assert [row["key"] for row in content["trials"]] == ["t", "x"]
    assert {row["run_id"] for row in content["planned_trials"]} == {"o"}
    assert sorted(row["id"] for row in content["runs"]) == ["o", "r"]
    with pytest.raises(UsageError, match=r"seed-0.jsonl belongs to suite 'other': choose another folder for 'small'"):
        dump(store.engine, "small", tmp_path)
    with pytest.raises(UsageError, match="no whole seed of suite 'none'"):
        dump(store.engine, "none", tmp_path / "none")


def set_to(table: type[Base], **values: Any) -> Callable[[Store], None]:
    def change(store: Store) -> None:
        with store.engine.begin() as connection:
            connection.execute(update(table).values(values))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            set_to(TrialRow, weights_hash="b" * 64),
            r"of 'trials' \(npo\): weights_hash is aaa.* in the file, bbb.* in the store",
        ),
        (
            set_to(PredictionRow, test=pack(np.array([1, 2, 4]))),
            r"row t of 'predictions': test is 1 of them in",
        ),
        (
            set_to(PredictionRow, triggered_test=pack(np.array([1]))),
            "triggered_test is none in the file, some in the store",
        ),
    ],
)
def test_a_file_that_says_something_else_stops_it(change: Any, words: str, new: Store, file: Path) -> None:
    loaded([file], new)
    before = file.read_bytes()
    change(new)
    with pytest.raises(UsageError, match=words):
        dump(new.engine, "small", file.parent)
    assert list(file.parent.iterdir()) == [file]
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        set_to(TrialRow, seconds=77.0, total_seconds=78.0, created_at=LATER, isolation="strict"),
        set_to(PredictionRow, test=zlib.compress(zlib.decompress(pack(np.array([1, 2, 3]))), 0)),
        set_to(SubmissionRow, title="Corrected"),
    ],
)
def test_circumstances_and_titles_are_nothing_new(change: Any, new: Store, file: Path, tmp_path: Path) -> None:
    loaded([file], new)
    change(new)
    assert dump(new.engine, "small", file.parent) == []
    new.add(more("r2", "v"))
    (second,) = dump(new.engine, "small", file.parent)
    with Store(str(tmp_path / "other.db")) as other:
        assert not any(merged.conflicts for merged in loaded([file, second], other))


def test_a_number_that_json_cannot_say(new: Store, tmp_path: Path) -> None:
    new.add([*small(), rows.submission(key="s2", hyperparameters={"beta": float("nan")})])
    new.add([rows.trial(key="v", submission_key="s2"), rows.planned(trial_key="v", submission_key="s2")])
    with pytest.raises(UsageError, match="row s2 of 'submissions' has a number that is not finite"):
        dump(new.engine, "small", tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_a_run_is_still_going_on_in_the_first_file(new: Store, tmp_path: Path) -> None:
    """Its end comes with what it records later."""
    new.add(small())
    (first,) = dump(new.engine, "small", tmp_path)
    new.add([rows.planned(trial_key="v"), rows.trial(key="v")])
    new.finish_run("r", LATER)
    (second,) = dump(new.engine, "small", tmp_path)
    with Store(str(tmp_path / "other.db")) as other:
        assert not any(merged.conflicts for merged in loaded([first, second], other))
        assert [row["finished_at"] for row in everything(other)[RunRow.__tablename__]] == [LATER]


def test_a_file_of_the_first_version_is_upgraded(new: Store) -> None:
    """As that version wrote it."""
    loaded([Path(__file__).parent / "v6.jsonl"], new)
    assert len(board(new, "tiny")) == 12


def test_a_file_of_an_older_version_is_upgraded_as_it_is_read(file: Path, next_version: int, tmp_path: Path) -> None:
    before = file.read_bytes()
    with Store(str(tmp_path / "target.db")) as store:
        (merged,) = loaded([file], store)
        assert merged.conflicts == ()
        assert merged.added["trials"] == 2
        (submission,) = everything(store)["submissions"]
        assert submission["license"] == "APACHE-2.0", "as the revision wrote it"
        assert dump(store.engine, "small", file.parent) == []
        store.add(more("r2", "v"))
        (second,) = dump(store.engine, "small", file.parent)
        assert json.loads(second.read_text().splitlines()[0])["schema"] == next_version
    assert file.read_bytes() == before
    with Store(str(tmp_path / "other.db")) as other:
        assert not any(merged.conflicts for merged in loaded([file, second], other))
        assert len(everything(other)["trials"]) == 3
