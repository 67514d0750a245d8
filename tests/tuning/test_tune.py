"""Tuning: what is tried, by which rule it is judged, and that every try is stored."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.tuning.conftest import Landscape
from tests.tuning.landscape import SIX, WIDE, goal
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite, Tuning
from unlearnbench.problems.suite_file import parse
from unlearnbench.running.plan import PlannedTrial
from unlearnbench.store.schema import ProblemRow, RunRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission
from unlearnbench.submissions.manifest import Range
from unlearnbench.tuning.tune import SPREAD, tune


def test_every_try_is_run_on_the_tuning_seeds_stored_and_judged(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path
) -> None:
    tries = tune(suite, submission, store, tmp_path)
    assert sorted(item.hyperparameters["level"] for item in tries) == [0, 3, 5, 9], "a small space has no more"
    scores = [item.score("blind") for item in tries]
    assert scores == sorted(scores, reverse=True)
    nine = next(item for item in tries if item.hyperparameters["level"] == 9)
    assert (nine.selection_score, nine.failed, nine.trials) == (0.0, 2, 2)
    with Session(store.engine) as session:
        assert set(session.scalars(select(ProblemRow.corruption_seed))) == {100}
        assert set(session.scalars(select(ProblemRow.discovery_rate))) == {0.5, 1.0}
        assert len(session.scalars(select(TrialRow)).all()) == 4 * 2
        assert set(session.scalars(select(RunRow.suite))) == {"tiny-tune"}
        before = session.scalars(select(TrialRow.created_at)).all()
    assert tune(suite, submission, store, tmp_path) == tries
    with Session(store.engine) as session:
        assert session.scalars(select(TrialRow.created_at)).all() == before, "nothing was run again"


def test_the_rules_judge_by_different_numbers(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path
) -> None:
    blind, oracle = (tune(suite, submission, store, tmp_path, rule=rule) for rule in ("blind", "oracle"))
    with Session(store.engine) as session:
        records = session.scalars(select(TrialRow).where(TrialRow.state == "finished")).all()
        assert "tiny-tune-oracle" in set(session.scalars(select(RunRow.suite)))
    assert [item.score("oracle") for item in oracle] == sorted((item.aggregate for item in oracle), reverse=True)
    scores = {item.hyperparameters["level"]: item.selection_score for item in blind}
    aggregates = {item.hyperparameters["level"]: item.aggregate for item in oracle}
    assert set(scores.values()) != set(aggregates.values())
    assert sum(scores.values()) == pytest.approx(sum(record.selection_score or 0 for record in records) / 2)
    assert sum(aggregates.values()) == pytest.approx(sum(record.aggregate or 0 for record in records) / 2)


def test_the_default_is_the_first_try_and_the_budget_holds(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path
) -> None:
    search = {"level": Range(low=0, high=8), "other": Range(low=1e-3, high=0.1, log=True)}
    one = replace(suite, tuning=replace(suite.tuning, tries=1))
    wide = replace(submission, search=search)
    assert [item.hyperparameters for item in tune(one, wide, store, tmp_path)] == [{"level": 0}]
    tries = tune(suite, wide, store, tmp_path)
    assert len(tries) == 6
    for item in tries:
        if item.hyperparameters != {"level": 0}:
            level, other = item.hyperparameters["level"], item.hyperparameters["other"]
            assert isinstance(level, int)
            assert 0 <= level <= 8
            assert 1e-3 <= other <= 0.1
            assert other == float(f"{other:.3g}")


def test_a_grid_goes_from_end_to_end(suite: Suite, submission: Submission, store: Store, tmp_path: Path) -> None:
    grid = replace(suite, tuning=replace(suite.tuning, tries=9, discovery_rates=(1.0,)))
    wide = replace(submission, search={"other": Range(low=0.001, high=1.0, log=True)})
    tries = tune(grid, wide, store, tmp_path, sampler="grid")
    others = sorted(item.hyperparameters["other"] for item in tries if "other" in item.hyperparameters)
    assert others == pytest.approx([0.001, 0.01, 0.1, 1.0])


def test_nothing_to_tune(suite: Suite, submission: Submission, store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'levels' cannot be tuned: .* no \[search\]"):
        tune(suite, replace(submission, search={}), store, tmp_path)


def test_tuning_on_a_seed_of_the_suite_is_refused(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "suites/digits.toml").read_text()
    assert "seeds = [100, 101]" in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("seeds = [100, 101]", "seeds = [100, 0]"))
    with pytest.raises(UsageError, match=r"mine.toml: tuning.seeds \[100, 0\] must not contain seeds of the suite"):
        parse(file)


def test_the_first_tries_are_spread_over_the_space(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape
) -> None:
    landscape(lambda trial: 0.5)
    search = {"other": Range(low=1e-3, high=0.1, log=True), "level": Range(choices=(0, 3))}
    tuning = Tuning(seeds=(100,), discovery_rates=(1.0,), tries=1 + SPREAD)
    tries = tune(replace(suite, tuning=tuning), replace(submission, search=search), store, tmp_path)
    others = sorted(item.hyperparameters["other"] for item in tries if "other" in item.hyperparameters)
    assert others == [float(f"{1e-3 * 100**share:.3g}") for share in (0.25, 0.375, 0.5, 0.75, 0.875)]
    assert {item.hyperparameters["level"] for item in tries} == {0, 3}


def test_all_but_the_first_tries_are_asked_of_the_estimator(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape, patch: pytest.MonkeyPatch
) -> None:
    def by_chance(*_: Any) -> None:
        raise AssertionError("a setting was drawn at random")

    patch.setattr(optuna.samplers.RandomSampler, "sample_independent", by_chance)
    assert Tuning().tries >= 16
    wide = replace(submission, search=WIDE)
    six = replace(suite, tuning=SIX)

    def searched(score: Callable[[PlannedTrial], float], folder: str) -> list[float]:
        landscape(score)
        with Store(str(tmp_path / folder)) as other:
            tries = tune(six, wide, other, tmp_path)
        assert len(tries) == SIX.tries
        return [item.hyperparameters["other"] for item in tries if "other" in item.hyperparameters]

    high, low = searched(goal, "high.db"), searched(lambda trial: 0.9 - goal(trial), "low.db")
    assert len(set(high) & set(low)) == SPREAD, "what is asked later depends on what was found"
    later = [[value for value in values if value not in low or value not in high] for values in (high, low)]
    assert statistics.median(later[0]) > 3 * statistics.median(later[1])


def test_a_search_in_which_nothing_finished_has_no_winner(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape
) -> None:
    landscape(lambda trial: None)
    tries = tune(suite, submission, store, tmp_path)
    assert [(item.eligible, item.failed == item.trials) for item in tries] == [(False, True)] * 4


def test_what_failed_through_the_machine_can_be_tried_again(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape
) -> None:
    landscape(lambda trial: None)
    tune(suite, submission, store, tmp_path)
    landscape(lambda trial: 0.5)
    assert not tune(suite, submission, store, tmp_path)[0].eligible, "failures are results"
    assert tune(suite, submission, store, tmp_path, retry_failed=True)[0].eligible


def test_a_try_that_always_failed_stands_below_one_of_score_zero(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape
) -> None:
    landscape(lambda trial: 0.0 if trial.submission.hyperparameters["level"] == 5 else None)
    best = tune(suite, submission, store, tmp_path)[0]
    assert (best.hyperparameters, best.failed) == ({"level": 5}, 0)
