"""The baseline file: what it holds, that it reads back as it was, and what is said about a broken one."""

from pathlib import Path

import pandas as pd
import pytest

from unlearnbench.errors import UsageError
from unlearnbench.report.numbers.table import export
from unlearnbench.store.columns import COLUMNS
from unlearnbench.verify.baseline import METRICS, not_recorded, read, records, select_methods


@pytest.fixture
def written(small, tmp_path) -> Path:
    path = tmp_path / "new/baseline.csv"
    export(small.engine, path)
    return path


def change(path: Path, line: int, column: str, value: str) -> None:
    """Write another value into a cell; lines count from 1."""
    rows = path.read_text().splitlines()
    cells = pd.read_csv(path, dtype=str, keep_default_na=False).iloc[line - 2].tolist()
    cells[list(COLUMNS).index(column)] = value
    rows[line - 1] = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    path.write_text("\n".join(rows) + "\n")


def test_it_reads_back_as_it_was_written(small, written):
    pd.testing.assert_frame_equal(read(written), records(small.engine, "small"))


def test_it_has_a_row_for_each_record_and_says_what_is_missing(small, written):
    frame = read(written)
    assert set(METRICS) <= set(frame.columns)
    assert frame.groupby("method").size().to_dict() == {"flaky": 9, "good": 12, "oracle": 12, "retrain": 12}
    assert not_recorded(small.board()) == {"flaky": 3}
    failed = frame[frame["state"] == "failed"]
    assert set(failed["reason"]) == {"timeout"}
    assert failed[list(METRICS)].isna().all(axis=None)


def test_it_says_where_and_by_what_code_it_was_measured(written):
    row = read(written).iloc[0]
    expected: dict[str, object] = {"processor": "two cores", "torch": "2.7", "numpy": "", "revision": "abc123"}
    expected |= {"device": "cpu", "precision": "float32", "threads": 1, "protocol": 1, "suite": "small"}
    assert {column: row[column] for column in expected} == expected
    assert row["hyperparameters"] == '{"rate": 0.1, "steps": 2}'
    assert row["source_hash"] == "source of flaky"


def test_the_order_does_not_depend_on_the_store(written):
    frame = read(written)
    lines = written.read_text().splitlines()
    written.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    pd.testing.assert_frame_equal(read(written), frame)


def test_metrics_keep_all_digits(stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), healed=1 / 3, utility=0.1 + 0.2)
    export(stored.engine, tmp_path / "baseline.csv")
    assert read(tmp_path / "baseline.csv")["aggregate"].item() == 1 / 3 * (0.1 + 0.2)


def test_cost_is_a_share_of_retraining_on_the_same_problem(small):
    small.submission("slow", "slow")
    small.trial("first", "slow", ("low", 0.1, 0), seconds=24.0)
    small.trial("first", "slow", ("low", 0.1, 0), seconds=24.0, training="tied-dropout")
    frame = records(small.engine, "small")
    assert set(frame.loc[frame["method"] == "good", "cost"]) == {0.25}
    assert frame.loc[frame["method"] == "slow", "cost"].item() == 3.0
    assert frame.loc[frame["method"] == "slow on tied dropout", "cost"].isna().all()
    assert frame.loc[frame["state"] == "failed", "cost"].isna().all()


def test_records_of_one_run_are_those_that_it_planned(small):
    small.run("second", day=1)
    small.trial("second", "good", ("low", 0.1, 0))
    frame = records(small.engine, "small", run="second")
    assert frame["method"].tolist() == ["good"]


def test_records_of_a_suite_are_those_of_all_its_runs(small):
    small.run("second", day=1)
    small.submission("new", "new")
    small.trial("second", "new", ("low", 0.1, 0))
    counts = records(small.engine, "small").groupby("method").size()
    assert counts.to_dict() == {"flaky": 9, "good": 12, "new": 1, "oracle": 12, "retrain": 12}


def test_a_method_without_a_forget_set_has_one_row(small, tmp_path):
    small.problems(cells=[("low", 0.0, 0)])
    small.submission("blind", "blind")
    small.trial("first", "blind", ("low", 0.0, 0))
    export(small.engine, tmp_path / "baseline.csv")
    blind = read(tmp_path / "baseline.csv")[lambda frame: frame["method"] == "blind"]
    assert blind[["discovery_rate", "cost"]].to_numpy().tolist() == [[0.1, 0.25]]


def test_methods_are_chosen_by_submission_variant_or_name_in_the_ranking(small):
    small.submission("good, tuned", "good", variant="tuned")
    small.trial("first", "good, tuned", ("low", 0.1, 0), training="tied-dropout")
    frame = records(small.engine, "small")

    def chosen(*names: str) -> set[str]:
        return set(select_methods(frame, names)["method"])

    tuned = "good/tuned on tied dropout"
    assert chosen("good") == {"good", tuned}
    assert chosen("good/tuned") == chosen(tuned) == {tuned}
    assert chosen("good/default", "oracle") == {"good", "oracle"}
    assert chosen() == set(frame["method"])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("utility", "1.5", ("'1.5'", "share from 0 to 1")),
        ("utility", "nan", ("'nan'",)),
        ("utility", "", ("a finished trial needs a number here",)),
        ("aggregate", "high", ("'high'",)),
        ("state", "lost", ("'lost'", "not one of finished, failed, missing")),
        ("corruption_seed", "0.5", ("'0.5'",)),
        ("corruption_seed", "1e30", ("'1e30'", "not a whole number")),
        ("threads", "9223372036854775808", ("not a whole number",)),
        ("hyperparameters", 9999 * '{"a":', ("not a JSON object",)),
        ("hyperparameters", "{", ("'{'",)),
        ("hyperparameters", "[1]", ("'[1]'", "not a JSON object")),
        ("method", "", ("empty",)),
        ("seconds", "-1", ("'-1'",)),
    ],
)
def test_a_broken_cell_is_named(column, value, words, written):
    line = next(i for i, row in enumerate(written.read_text().splitlines(), 1) if ",good,good," in row)
    change(written, line, column, value)
    with pytest.raises(UsageError) as error:
        read(written)
    message = str(error.value)
    assert message.startswith(f"{written}, line {line}, column '{column}': ")
    assert message.endswith("write it again with `unlearnbench baseline`")
    for word in words:
        assert word in message


def test_a_broken_shape_is_named(written):
    text = written.read_text()
    lines, last = text.splitlines(), len(COLUMNS)

    def message_of(content: str | bytes) -> str:
        written.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(UsageError) as error:
            read(written)
        return str(error.value)

    assert "line 1, column 2: 'methods', expected 'method'" in message_of(text.replace("method", "methods", 1))
    assert f"line 1, column {last}: '', expected 'hardware'" in message_of(text.replace(",hardware\n", "\n", 1))
    longer = text.replace(",hardware\n", ",hardware,more\n", 1)
    assert f"line 1, column {last + 1}: 'more', expected ''" in message_of(longer)
    assert f"line 3: {last + 1} cells, expected {last}" in message_of("\n".join([*lines[:2], lines[2] + ",more"]))
    assert "line 4: duplicate of line 2" in message_of("\n".join([*lines[:3], lines[1]]))
    assert "rows of several suites (small, other)" in message_of("\n".join([*lines[:2], "other" + lines[2][5:]]))
    assert "no trials" in message_of(lines[0] + "\n")
    assert "no trials" in message_of("")
    assert "cannot read baseline" in message_of(b"\xff\xfe" + text.encode())
    assert "line 2" in message_of(lines[0] + '\n"small')


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"no baseline at .*: write one with `unlearnbench baseline SUITE --out"):
        read(tmp_path / "baseline.csv")
