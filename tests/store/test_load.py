"""What is read from the files of a board: damage and disagreement are found, and said in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import rows
from tests.store.boards import loaded, small
from unlearnbench.errors import UsageError
from unlearnbench.store.board_file import read
from unlearnbench.store.schema import SCHEMA_VERSION, TrialRow
from unlearnbench.store.staging import staged_file
from unlearnbench.store.store import Store


def test_what_disagrees_is_a_conflict(new: Store, file: Path) -> None:
    new.add(
        [
            row
            for row in small()
            if not (isinstance(row, TrialRow) and row.key == "t") and row.__tablename__ != "predictions"
        ]
    )
    new.add([rows.trial(healed_test=0.25)])
    (merged,) = loaded([file], new)
    assert [(item.table, item.field, item.kept) for item in merged.conflicts] == [("trials", "healed_test", 0.25)]


def test_what_is_no_board_file(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_text("{}\n")
    with pytest.raises(UsageError, match=r"damaged.jsonl, line 1: not a board file"):
        read(damaged)
    with pytest.raises(UsageError, match=r"cannot read .*none.jsonl: No such file"):
        read(tmp_path / "none.jsonl")


def row_of(table: str) -> Callable[[list[str]], int]:
    return lambda lines: next(number for number, line in enumerate(lines) if f'"table":"{table}"' in line)


def changed(table: str, /, **values: Any) -> Callable[[list[str]], list[str]]:
    """The lines with some columns of a table's first row set, or removed where they are `...`."""

    def change(lines: list[str]) -> list[str]:
        number = row_of(table)(lines)
        row = {name: value for name, value in (json.loads(lines[number]) | values).items() if value is not ...}
        lines[number] = json.dumps(row, sort_keys=True, separators=(",", ":"))
        return lines

    return change


def without(table: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [line for number, line in enumerate(lines) if number != row_of(table)(lines)]


def twice(lines: list[str]) -> list[str]:
    number = row_of("trials")(lines)
    return [*lines[: number + 1], lines[number], *lines[number + 1 :]]


def swapped(lines: list[str]) -> list[str]:
    number = row_of("trials")(lines)
    return [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda lines: [*lines[:2], "{not JSON", *lines[3:]], "line 3: not JSON"),
        (lambda lines: [*lines[:2], "[1]", *lines[3:]], "line 3: not a row in canonical form"),
        (lambda lines: [*lines[:2], "[" * 100_000, *lines[3:]], "line 3: "),
        (lambda lines: [*lines[:2], f"{lines[2]} ", *lines[3:]], "line 3: not a row in canonical form"),
        (lambda lines: [*lines[:2], f"{lines[2]}\r", *lines[3:]], "line 3: not a row in canonical form"),
        (lambda lines: [*lines[:2], "", *lines[2:]], "line 3: not JSON"),
        (lambda lines: lines[:-1], r"line \d+: 9 rows were written, 8 are complete"),
        (lambda lines: [*lines[:-2], lines[-2][:50]], r"line \d+: not JSON"),
        (lambda lines: lines[:1], "line 1: 9 rows were written, 0 are complete"),
        (twice, r"line \d+: the row is a duplicate"),
        (swapped, r"line \d+: the row is a duplicate or out of order"),
        (changed("trials", table="trails"), r"line \d+: unknown table 'trails'"),
        (changed("runs", table="claims"), r"line \d+: unknown table 'claims'"),
        (changed("trials", colour=1), r"line \d+: unknown column 'colour' of 'trials'"),
        (changed("trials", utility=...), r"line \d+: no column 'utility' of 'trials'"),
        (changed("trials", utility="0.5"), r"line \d+: column 'utility' of 'trials' cannot be '0.5'"),
        (changed("trials", utility=1), "column 'utility' of 'trials' cannot be 1"),
        (changed("trials", utility=float("nan")), r"line \d+: .*not JSON compliant"),
        (changed("trials", threads=True), "column 'threads' of 'trials' cannot be True"),
        (changed("trials", training_seed=2**63), "column 'training_seed' of 'trials' cannot be 9223372036854775808"),
        (changed("trials", state=None), "column 'state' of 'trials' cannot be None"),
        (changed("trials", state="a\0"), "column 'state' of 'trials' cannot be"),
        (changed("trials", state="\ud800"), "column 'state' of 'trials' cannot be"),
        (changed("trials", created_at="yesterday"), "column 'created_at' of 'trials' cannot be 'yesterday'"),
        (changed("trials", created_at="2026-01-02T03:04:05+00:00"), "column 'created_at' of 'trials' cannot be"),
        (changed("originals", absorbed=1), "column 'absorbed' of 'originals' cannot be 1"),
        (changed("submissions", hyperparameters="{}"), "column 'hyperparameters' of 'submissions' cannot be"),
        (changed("predictions", test="!"), "column 'test' of 'predictions' cannot be '!'"),
        (changed("predictions", test="AAAA"), "column 'test' of 'predictions' cannot be 'AAAA'"),
        (without("runs"), r"line \d+: run_id refers to a missing row of 'runs'"),
        (without("problems"), r"line \d+: problem_key refers to a missing row of 'problems'"),
        (changed("trials", reason="\N{SNOWMAN}"), "fine"),
    ],
)
def test_damage_is_one_sentence(damage: Any, words: str, file: Path) -> None:
    lines = damage(file.read_text().splitlines())
    file.write_text("".join(f"{line}\n" for line in lines), newline="\n")
    if words == "fine":  # the others are refused for what was changed, not for the way in which it was
        assert read(file).rows["trials"][("t",)]["reason"] == "\N{SNOWMAN}"
        return
    with pytest.raises(UsageError, match=words) as caught:
        read(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_every_cut_is_found(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(0, len(whole), 13):
        file.write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"line \d+: "):
            read(file)
    file.write_bytes(whole[:-1])
    with pytest.raises(UsageError, match="are complete"):
        read(file)
    file.write_bytes(b"\xff" + whole)
    with pytest.raises(UsageError, match="line 1: not ASCII"):
        read(file)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("schema", 5, "line 1: the file was written before the first release"),
        ("schema", "6", "line 1: key 'schema'"),
        ("schema", SCHEMA_VERSION + 1, rf"has schema version {SCHEMA_VERSION + 1}, but this version reads"),
        ("version", 2, "line 1: key 'version'"),
        ("format", "other", "line 1: not a board file"),
        ("seed", 0, "line 1: key 'seed'"),
    ],
)
def test_a_file_of_another_version(key: str, value: Any, words: str, file: Path) -> None:
    header, *lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([f"{json.dumps(json.loads(header) | {key: value})}\n", *lines]))
    with pytest.raises(UsageError, match=words):
        read(file)


@pytest.mark.parametrize("schema", [7, 8, 9])
def test_a_file_of_a_version_before_says_the_same(schema: int, file: Path) -> None:
    wanted = read(file).rows
    header, *lines = map(json.loads, file.read_text().splitlines())
    for row in lines:
        row.pop("earlier", None)
        if schema == 7:
            row.pop("limits", None)
    header["schema"] = schema
    text = [json.dumps(row, sort_keys=True, separators=(",", ":")) for row in (header, *lines)]
    file.write_text("".join(f"{line}\n" for line in text))
    assert read(file).rows == wanted


def test_damage_of_an_older_file_is_found_by_the_columns_of_its_version(file: Path, next_version: int) -> None:
    lines = changed("trials", colour="red")(file.read_text().splitlines())
    file.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(UsageError, match=r"line \d+: unknown column 'colour' of 'trials': the file is damaged"):
        read(file)


@pytest.mark.parametrize("specification", [[], {}, {"discovery_rate": 0.5}, {"problem": []}])
def test_content_of_an_older_file_that_no_version_wrote_is_one_sentence(specification: Any, tmp_path: Path) -> None:
    for table in ("problems", "originals"):
        lines = (Path(__file__).parent / "v6.jsonl").read_text().splitlines()
        lines = changed(table, specification=specification)(lines)
        path = tmp_path / "odd.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines))
        with (
            pytest.raises(UsageError, match=r"odd.jsonl.*(cannot be upgraded|field 'specification')"),
            staged_file(path),
        ):
            pass
