"""An exported file read by another program says what the store says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from unlearnbench.errors import UsageError
from unlearnbench.report.numbers.table import JSON_COLUMNS, export, read, table_of


def exported(stored: Any, *suites: str) -> pd.DataFrame:
    return pd.concat(
        [table_of(stored.engine, stored.board(name)) for name in suites or ("other", "small")]
    ).reset_index(drop=True)


@pytest.fixture
def two(small: Any) -> Any:
    """Two suites; values that are easily lost: quotes, line ends, thirds, nothing."""
    small.run("second", suite="other")
    small.trial("second", "good", ("low", 0.1, 1), healed=1 / 3)  # its record is the one of the first suite
    small.trial("second", "oracle", ("low", 0.1, 0), state="missing")
    small.submission("sly", 'sly, "quoted"')
    small.trial("second", "sly", ("low", 0.1, 0), healed=1 / 3, utility=0.1 + 0.2, healed_test=1e-17)
    small.trial("second", "sly", ("low", 0.1, 1), state="failed", reason='raised: "x", [y]\nand\tmore \u00e9')
    return small


def test_one_row_for_each_place_on_the_board_with_its_context(two: Any) -> None:
    frame = exported(two)
    small, other = two.board("small").frame, two.board("other").frame
    assert frame["suite"].tolist() == ["other"] * len(other) + ["small"] * len(small)
    alone = exported(two, "small")
    assert alone["trial"].tolist() == small["trial"].tolist()
    for name in ("healed_train", "aggregate", "original_utility", "seconds"):
        assert alone[name].tolist() == pytest.approx(small[name].tolist(), nan_ok=True, abs=0)
    finished = frame[frame["state"] == "finished"].iloc[0]
    assert (finished["device"], finished["precision"], finished["threads"]) == ("cpu", "float32", 1)
    assert json.loads(finished["versions"]) == {"torch": "2.7"}
    assert json.loads(finished["hyperparameters"]) == {"steps": 2, "rate": 0.1}
    missing = frame[frame["trial"] == "flaky high 0.1 0"].iloc[0]
    assert missing[["device", "threads", "created_at", "healed_train"]].isna().all()
    assert missing["revision"] == "abc123", "its run is known, though it has no record"
    nowhere = frame[frame["trial"].isna()]
    assert len(nowhere) == 6 + 6 + 12 - 4, "places of three methods that nobody planned, in seeds that somebody did"
    assert nowhere[["run", "revision", "versions", "healed_train"]].isna().all(axis=None)


def test_csv_round_trip(two: Any, tmp_path: Path) -> None:
    frame, file = exported(two), tmp_path / "new" / "trials.csv"
    assert export(two.engine, file, "csv") == len(frame)
    again = pd.read_csv(file, dtype=frame.dtypes.drop(["created_at", "run_started_at"]).to_dict())
    again = again.astype({"created_at": "datetime64[us]", "run_started_at": "datetime64[us]"})
    assert_frame_equal(again, frame, check_exact=True)
    export(two.engine, file, "csv", "other")
    assert_frame_equal(read(file), exported(two, "other"), check_exact=True)


def test_json_lines_round_trip(two: Any, tmp_path: Path) -> None:
    frame, file = exported(two), tmp_path / "trials.jsonl"
    export(two.engine, file, "jsonl")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [list(row) for row in rows] == [frame.columns.tolist()] * len(frame)
    assert rows[-1]["hyperparameters"] == {"steps": 2, "rate": 0.1}
    assert rows[-1]["versions"] == {"torch": "2.7"}
    assert {type(row["absorbed"]) for row in rows} == {bool, type(None)}
    assert {type(row["versions"]) for row in rows} == {dict, type(None)}
    assert {type(row["forward_samples"]) for row in rows} == {int, type(None)}
    for row in rows:
        row |= {name: row[name] and json.dumps(row[name], sort_keys=True) for name in JSON_COLUMNS}
    assert_frame_equal(pd.DataFrame(rows).astype(frame.dtypes.to_dict()), frame, check_exact=True)


def test_parquet_round_trip(two: Any, tmp_path: Path) -> None:
    frame, file = exported(two), tmp_path / "trials.parquet"
    export(two.engine, file, "parquet")
    assert_frame_equal(pd.read_parquet(file), frame, check_exact=True)


def test_types_do_not_depend_on_what_is_stored(two: Any) -> None:
    """Files of several stores can be read as one table."""
    everything, other = exported(two), exported(two, "other")
    assert other["attack_success"].isna().all()
    assert everything["attack_success"].notna().any()
    assert everything.dtypes.to_dict() == other.dtypes.to_dict()
    nothing = other[other["state"] == "missing"]
    assert nothing["detail"].isna().all()


def test_one_suite_only(two: Any, tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    assert export(two.engine, file, "csv", "other") == 24
    assert set(pd.read_csv(file)["suite"]) == {"other"}
    with pytest.raises(UsageError, match="unknown suite 'digits' in the store"):
        export(two.engine, file, "csv", "digits")


def test_a_store_without_runs_has_nothing_to_export(stored: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no runs"):
        export(stored.engine, tmp_path / "trials.csv", "csv")
    assert not (tmp_path / "trials.csv").exists()


def test_parquet_without_pyarrow_is_one_sentence(two: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearnbench.report.numbers.table.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"install unlearnbench\[parquet\]"):
        export(two.engine, tmp_path / "trials.parquet", "parquet")
    assert export(two.engine, tmp_path / "trials.csv", "csv") > 0
