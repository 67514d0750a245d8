"""Tuning: what is tried, by which rule it is judged, and that every try is stored."""

from __future__ import annotations

import math
import operator
import statistics
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests import rows
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite, Tuning
from unlearnbench.problems.suite_file import parse
from unlearnbench.report.numbers.tunings import read_tunings
from unlearnbench.report.text.rendering import tunings_as
from unlearnbench.report.text.tables import cost_line, tries_table
from unlearnbench.running.plan import PlannedTrial
from unlearnbench.running.run import Progress
from unlearnbench.store.schema import Base, ProblemRow, RunRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Range, Submission
from unlearnbench.tuning.pruning import Cell, hopeless, stages
from unlearnbench.tuning.tries import Choices, Try, choices
from unlearnbench.tuning.tune import SPREAD, as_variant, tune

Make = Callable[..., Submission]
Landscape = Callable[[Callable[[PlannedTrial], float | None]], list[str]]
FIELDS = "from dataclasses import dataclass\n@dataclass(frozen=True)"
# At level 0 the original goes back; from 1 on the model answers class `level`, and 9 fails.
BODY = """model = problem.original()
if self.level == 9:
    raise ValueError("nine")
if self.level:
    with torch.no_grad():
        model.linear.weight.zero_()
        model.linear.weight[self.level] = 1.0
return model"""


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture
def landscape(patch: pytest.MonkeyPatch) -> Landscape:
    """Let every trial have the selection score that a function gives it, or fail; gives the keys of those that ran."""

    def score(function: Callable[[PlannedTrial], float | None]) -> list[str]:
        ran: list[str] = []

        def trial(planned: PlannedTrial, world: Any, original: Path, run_id: str, boundary: Any) -> list[Base]:
            ran.append(planned.key)
            value = function(planned)
            made = rows.failed if value is None else rows.trial
            row = made(
                key=planned.key,
                run_id=run_id,
                problem_key=planned.problem_key,
                original_key=planned.original_key,
                submission_key=planned.submission_key,
                training_seed=planned.seeds.training,
                unlearning_seed=planned.seeds.unlearning,
                reason=None if value is not None else "lost",
                selection_score=value,
                aggregate=None if value is None else 1 - value,
            )
            return [row]

        patch.setattr("unlearnbench.running.executors.local.run_trial", trial)
        return ran

    return score


@pytest.fixture
def suite(tiny_suite: Suite) -> Suite:
    return replace(tiny_suite, tuning=Tuning(seeds=(100,), discovery_rates=(0.5, 1.0), tries=6))


@pytest.fixture
def submission(make_submission: Make) -> Submission:
    made = make_submission("levels", BODY, before=FIELDS)
    assert made.folder is not None
    file = made.folder / "method.py"
    field = "class Method(UnlearningMethod):\n    level: int = 0\n    other: float = 0.5\n"
    file.write_text(file.read_text().replace("class Method(UnlearningMethod):\n", field))
    return replace(made, hyperparameters={"level": 0}, search={"level": Range(choices=(0, 3, 5, 9))})


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
    with pytest.raises(UsageError, match=r"'levels' has nothing to tune: .* no \[search\]"):
        tune(suite, replace(submission, search={}), store, tmp_path)


def test_tuning_on_a_seed_of_the_suite_is_refused(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "suites/digits.toml").read_text()
    assert "seeds = [100, 101]" in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("seeds = [100, 101]", "seeds = [100, 0]"))
    with pytest.raises(UsageError, match=r"mine.toml: tuning.seeds \[100, 0\] must not be seeds of the suite"):
        parse(file)


def test_the_winner_is_a_table_to_paste() -> None:
    best = Try({"rate": 1e-05, "passes": 3, "name": "a", "all": True, "nothing": None}, 0.5, 0.5, 3)
    assert tomllib.loads(as_variant("digits-quick", "blind", best)) == {
        "variants": {"digits_quick": {"rate": 1e-05, "passes": 3, "name": "a", "all": True}}
    }
    assert "never ranked" in as_variant("digits", "oracle", best)
    assert "oracle" in tomllib.loads(as_variant("digits", "oracle", best))["variants"]


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


WIDE = {"other": Range(low=0.001, high=1.0, log=True), "level": Range(low=0, high=8)}
SIX = Tuning(seeds=(100, 101), discovery_rates=(0.1, 0.5, 1.0))


def goal(trial: PlannedTrial) -> float:
    """Highest at other = 0.5 and level 8, and easier at a higher rate; the default is in the middle."""
    other = float(trial.submission.hyperparameters.get("other", 0.02))
    level = int(trial.submission.hyperparameters.get("level", 4))
    near = 1 - 0.1 * abs(math.log(other / 0.5)) - 0.02 * (8 - level)
    return max(0.0, near * (0.5 + 0.3 * trial.problem.discovery_rate))


def outcome(tries: list[Try]) -> list[Try]:
    """Without what a clock measured."""
    return [replace(item, seconds=None) for item in tries]


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


def test_hopeless_tries_are_pruned_and_cannot_win(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape
) -> None:
    landscape(goal)
    tries = tune(replace(suite, tuning=SIX), replace(submission, search=WIDE), store, tmp_path)
    pruned = [item for item in tries if item.pruned]
    assert pruned
    assert tries[-len(pruned) :] == pruned, "they stand last"
    default = next(item for item in tries if item.default)
    assert default.trials == 6
    for item in pruned:
        assert 2 < item.trials < 6
        assert item.pruned == f"below the best try on {item.trials} of {item.trials} problems"
        assert not item.eligible
    assert all(item.trials == 6 for item in tries if not item.pruned)
    table = tries_table(tries, "blind")
    assert [cell for cell in table.columns[-1].cells if cell] == [item.pruned for item in pruned]
    with Session(store.engine) as session:
        assert len(session.scalars(select(TrialRow)).all()) == sum(item.trials for item in tries)
    (row,) = read_tunings(store.engine, "tiny")
    key = operator.attrgetter("selection_score", "aggregate", "trials")
    assert sorted(map(key, row.tries)) == sorted(map(key, tries))
    assert [key(item) for item in row.tries if item.default] == [key(default)]
    assert sum(item.pruned is not None for item in row.tries) == len(pruned)
    assert row.unfinished == 0
    assert choices(row.tries) == choices(tries)
    text = tunings_as("markdown", store.engine, "tiny")
    assert isinstance(text, str)
    assert f"| levels | {len(tries)} | {len(pruned)} | {100 * default.aggregate:.1f} |" in text


def test_stages_begin_with_the_middle_rate(suite: Suite) -> None:
    grid = replace(suite, seeds=(7, 8), discovery_rates=(0.1, 0.5, 1.0))
    places = [(part.discovery_rates, part.seeds) for part in stages(grid)]
    assert places == [((rate,), (seed,)) for rate in (0.5, 1.0, 0.1) for seed in (7, 8)]


def test_the_pruner_gives_up_only_what_is_surely_worse() -> None:
    best: dict[Cell, float] = {("a", 0.5, seed, 0.5, "standard"): 0.5 + 0.01 * seed for seed in range(18)}
    cells = list(best)

    def part(count: int, change: float) -> dict[Cell, float]:
        return {cell: best[cell] + change * (1 + 0.01 * place) for place, cell in enumerate(cells[:count])}

    assert hopeless(best, part(6, -0.1))
    assert not hopeless(best, part(3, -0.1)), "three problems say little"
    assert not hopeless(best, part(6, 0.1))
    assert not hopeless(best, part(6, 0.0))
    mixed = part(6, -0.1) | part(3, 0.1)
    assert not hopeless(best, mixed)


@pytest.mark.parametrize(("after", "workers"), [(1, 1), (9, 1), (25, 3)])
def test_an_interrupted_search_goes_on_and_ends_the_same(
    suite: Suite, submission: Submission, tmp_path: Path, landscape: Landscape, after: int, workers: int
) -> None:
    ran = landscape(goal)
    six, wide = replace(suite, tuning=SIX), replace(submission, search=WIDE)
    with Store(str(tmp_path / "whole.db")) as store:
        whole = tune(six, wide, store, tmp_path, workers=2)
    uninterrupted, stop = sorted(ran), after
    ran.clear()

    def watch(progress: Progress) -> None:
        if len(ran) >= stop and progress.done:
            raise KeyboardInterrupt

    with Store(str(tmp_path / "parts.db")) as store:
        before = set(threading.enumerate())
        with pytest.raises(KeyboardInterrupt):
            tune(six, wide, store, tmp_path, workers=workers, watch=watch)
        for thread in set(threading.enumerate()) - before:
            thread.join()  # what was at a trial may only now have noted it as run
        with Session(store.engine) as session:
            stored = set(session.scalars(select(TrialRow.key)))
        assert 0 < len(stored) < len(uninterrupted)
        ran.clear()
        assert outcome(tune(six, wide, store, tmp_path, workers=workers)) == outcome(whole)
        assert sorted(stored | set(ran)) == uninterrupted
        assert not stored & set(ran), "nothing was run again"
        assert len(ran) == len(set(ran))


def test_a_search_in_which_nothing_finished_has_no_winner(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape
) -> None:
    landscape(lambda trial: None)
    with pytest.raises(
        UsageError, match="'levels' has no winner: all trials of all 4 tries failed, the first one: lost"
    ):
        tune(suite, submission, store, tmp_path)


def test_a_try_that_always_failed_stands_below_one_of_score_zero(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape
) -> None:
    landscape(lambda trial: 0.0 if trial.submission.hyperparameters["level"] == 5 else None)
    best = tune(suite, submission, store, tmp_path)[0]
    assert (best.hyperparameters, best.failed) == ({"level": 5}, 0)


def test_what_the_blind_choice_costs() -> None:
    tries = [
        Try({"a": 0}, 0.3, 0.40, 6, default=True),
        Try({"a": 1}, 0.5, 0.55, 6),
        Try({"a": 2}, 0.4, 0.70, 6, failed=2),
        Try({"a": 3}, 0.9, 0.99, 3, pruned="below the best try on 3 of 3 problems"),
        Try({"a": 4}, 0.0, 0.0, 6, failed=6),
    ]
    found = choices(tries)
    assert (found.default, found.blind, found.oracle) == (0.4, 0.55, 0.7)
    assert found.cost == pytest.approx(15)
    assert choices(tries[3:]) == Choices(None, None, None)
    assert choices(tries[3:]).cost is None
    assert "default 40.0%, blind choice 55.0%, oracle's choice 70.0%; the blind choice costs 15.0 points" in cost_line(
        found
    )
