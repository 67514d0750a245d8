"""Originals: one of each kind for all methods, trained once, and the same for all trials of a seed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.submission import NOTHING
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Model, Originals, Suite
from unlearnbench.running.remarks import under_way
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import OriginalRow, PlannedTrialRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission

Make = Callable[..., Submission]


def rows(store: Store) -> dict[str, TrialRow]:
    with Session(store.engine) as session:
        query = select(TrialRow, SubmissionRow.name).join(SubmissionRow)
        return {name: trial for trial, name in session.execute(query)}


def test_a_seed_does_not_go_on_from_another_original(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    first = make_submission("first", NOTHING)
    run_suite(tiny_suite, [first], store, tmp_path, workers=1)
    assert rows(store)["first"].original_weights_hash == _original(store).weights_hash
    with store.engine.begin() as connection:  # as if another machine had trained it
        connection.execute(update(OriginalRow).values(weights_hash="f" * 64))
    second = make_submission("second", NOTHING)
    with pytest.raises(UsageError, match=r"poison-trigger, corruption seed 0, .*has other weights here .*ffffffffffff"):
        run_suite(tiny_suite, [first, second], store, tmp_path, workers=1)
    assert set(rows(store)) == {"first"}, "what was stored stays, and nothing was added"


def _original(store: Store) -> OriginalRow:
    with Session(store.engine) as session:
        return session.scalars(select(OriginalRow)).one()


def test_a_run_says_how_far_its_originals_are(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    suite, seen = replace(tiny_suite, recipe=replace(tiny_suite.recipe, steps=500)), list[str]()
    submission = make_submission("good", NOTHING)
    run_suite(suite, [submission], store, tmp_path, workers=1, watch=lambda progress: seen.append(progress.stage))
    told = [re.fullmatch(r"originals: step ([\d,]+) of 500, [\d,]+ images/s, \d:\d\d:\d\d left", it) for it in seen]
    steps = [int(match[1]) for match in told if match]
    assert steps, seen
    assert steps == sorted(steps)
    assert 0 < steps[0] <= 500
    assert seen[-1] == "trials"


def test_steps_and_time_left_are_those_of_all_originals_together() -> None:
    assert under_way(6400, 640_000, 64, 10.0) == "step 100 of 10,000, 640 images/s, 0:16:30 left"
    assert under_way(640_000, 640_000, 64, 1000.0) == "step 10,000 of 10,000, 640 images/s, 0:00:00 left"


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_original_is_trained_again(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path, damage: str
) -> None:
    run_suite(tiny_suite, [make_submission("good", NOTHING)], store, tmp_path, workers=1)
    (file,) = (tmp_path / "originals").glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-5] ^= 255
    file.write_bytes(content[:-40] if damage == "truncated" else content)
    run_suite(tiny_suite, [make_submission("second", NOTHING)], store, tmp_path, workers=1)
    records = rows(store)
    assert records["good"].weights_hash == records["second"].weights_hash


SPEAKS_OF_ITS_ORIGINAL = """small, wide = problem.original(), problem.expanded_original()
assert (problem.recipe.tied_dropout is None) == (problem.expanded_weights is None)
corner = small.corner_of(wide)
assert all(torch.equal(tensor, corner[name]) for name, tensor in small.named_parameters())
assert wide.groups == small.widened_groups(problem.recipe.shared)
print("channels", small.groups, wide.groups)
return problem.train_from_scratch(problem.retain)"""


def test_every_kind_of_original_has_its_own_trials(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    suite = replace(tiny_suite, originals=Originals((0.5, 1.0), ("standard", "tied-dropout")))
    submissions = [make_submission("retrains", SPEAKS_OF_ITS_ORIGINAL), make_submission("nothing", NOTHING)]
    summary = run_suite(suite, submissions, store, tmp_path, workers=2)
    assert (summary.planned, summary.failed) == (8, 0)
    with Session(store.engine) as session:
        originals = {(row.capacity, row.training): row for row in session.scalars(select(OriginalRow))}
        planned = session.scalars(select(PlannedTrialRow)).all()
        trials = {row.key: row for row in session.scalars(select(TrialRow))}
    assert len(originals) == 4
    for plan in planned:
        original, trial = originals[plan.capacity, plan.training], trials[plan.trial_key]
        assert trial.original_key == plan.original_key == original.key
        recipe = original.specification["recipe"]
        assert (recipe["tied_dropout"], recipe["shared"]) == ((0.2 if plan.training == "tied-dropout" else None), 0.5)
        assert original.specification["model"]["capacity"] == plan.capacity
    # To do nothing is to be the original: what was dropped of it stays dropped.
    assert {trial.healed_train for trial in trials.values()} & {row.healed_train for row in originals.values()}
    assert len({trial.weights_hash for trial in trials.values()}) == 8


def test_the_shared_part_of_tied_dropout_is_the_suite_s(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    """From the suite's file to the channels that a submission is given; a standard original knows nothing of it."""
    kinds = Originals((0.25,), ("standard", "tied-dropout"), shared=0.25, memorisation=0.1)
    suite = replace(tiny_suite, model=Model(width=0.1), originals=kinds)
    body = f"""{SPEAKS_OF_ITS_ORIGINAL.rpartition("return")[0]}
tied = problem.recipe.tied_dropout is not None
assert (problem.recipe.tied_dropout, problem.recipe.shared) == ((0.1, 0.25) if tied else (None, 0.5))
assert (small.groups, wide.groups) == ((2, 3, 6, 3), (8, 12, 24, 12) if tied else (4, 6, 12, 6))
return small"""
    assert run_suite(suite, [make_submission("looks", body)], store, tmp_path, workers=1).failed == 0
    with Session(store.engine) as session:
        recipes = [row.specification["recipe"] for row in session.scalars(select(OriginalRow))]
    assert {(recipe["tied_dropout"], recipe["shared"]) for recipe in recipes} == {(None, 0.5), (0.1, 0.25)}


def test_a_method_of_training_brings_its_own_originals(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    tied = replace(make_submission("tied", NOTHING), needs_tied_dropout=True)
    assert run_suite(tiny_suite, [tied, make_submission("plain", NOTHING)], store, tmp_path, workers=1).failed == 0
    with Session(store.engine) as session:
        planned = session.execute(
            select(SubmissionRow.name, PlannedTrialRow.training).join(
                SubmissionRow, SubmissionRow.key == PlannedTrialRow.submission_key
            )
        ).all()
    assert sorted(tuple(row) for row in planned) == [("plain", "standard"), ("tied", "tied-dropout")]
