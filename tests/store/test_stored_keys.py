"""The rows of the stored board of `digits` come out of today's code: specifications, keys and the bytes of D_tr."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from unlearnbench.problems.case import build
from unlearnbench.problems.datasets import Dataset, load_for
from unlearnbench.problems.grid import ProblemSpec, problems
from unlearnbench.problems.identity import original_key, problem_key, trial_key
from unlearnbench.problems.specification import validated
from unlearnbench.problems.suite import OriginalSpec
from unlearnbench.problems.suite_file import find, parse, stored

ROOT = Path(__file__).parents[2]
SUITE = parse(find("digits", ROOT / "suites"))


@cache
def board() -> dict[str, dict[str, dict[str, Any]]]:
    """The rows of the board by table and key."""
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for line in (ROOT / "leaderboard/digits/seed-0.jsonl").read_text().splitlines()[1:]:
        row = json.loads(line)
        if row["table"] in ("runs", "problems", "originals", "trials"):
            tables.setdefault(row["table"], {})[row.get("key") or row["id"]] = row
    return tables


@cache
def dataset() -> Dataset:
    return load_for(SUITE, Path("data"))


def test_the_grid_has_the_stored_problems() -> None:
    rows = board()["problems"]
    found = {problem_key(problem): problem for problem, seeds in problems(SUITE.select(seeds=[0]), dataset())}
    assert len(found) == 3 * 11
    assert found.keys() == rows.keys()
    for key, problem in found.items():
        assert json.loads(json.dumps(problem.stored())) == rows[key]["specification"]
        read = validated(ProblemSpec, rows[key]["specification"], "stored")
        assert read == problem
        assert problem_key(read) == key


@pytest.mark.parametrize("corruption", SUITE.corruptions)
def test_the_training_sets_have_the_stored_bytes(corruption: str) -> None:
    rows = [row for row in board()["problems"].values() if row["corruption"] == corruption]
    spec = validated(ProblemSpec, rows[0]["specification"], "stored").case
    assert {row["training_fingerprint"] for row in rows} == {build(spec, dataset()).truth.fingerprint}
    assert {row["regularity"] for row in rows} == {spec.rules.regularity}


def test_originals_and_trials_have_the_stored_keys() -> None:
    tables = board()
    suites = {key: stored(row["suite_specification"]) for key, row in tables["runs"].items()}
    kinds = set()
    for key, trial in tables["trials"].items():
        suite = suites[trial["run_id"]]
        problem, original = tables["problems"][trial["problem_key"]], tables["originals"][trial["original_key"]]
        kind = OriginalSpec(original["capacity"], original["training"])
        case = validated(ProblemSpec, problem["specification"], "stored").case
        where = trial["precision"], trial["device"]
        assert original_key(suite, case, kind, trial["training_seed"], *where) == trial["original_key"]
        parents = (trial["problem_key"], trial["original_key"], trial["submission_key"])
        assert trial_key(suite, *parents, trial["unlearning_seed"], trial["isolation"]) == key
        kinds.add((case.corruption, kind))
    assert len(kinds) == 3 * 2
