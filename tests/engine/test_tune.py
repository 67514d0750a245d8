"""Tuning: what is tried, by which rule it is judged, and that every try is stored."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from unlearnbench.engine.submissions import Range, Submission
from unlearnbench.engine.tune import Try, as_variant, tune
from unlearnbench.errors import UsageError
from unlearnbench.problem.suite import Suite, Tuning
from unlearnbench.problem.suite_file import parse
from unlearnbench.store.schema import ProblemRow, RunRow, TrialRow
from unlearnbench.store.store import Store

Make = Callable[..., Submission]
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
    assert [item.score for item in tries] == sorted((item.score for item in tries), reverse=True)
    nine = next(item for item in tries if item.hyperparameters["level"] == 9)
    assert (nine.score, nine.failed, nine.trials) == (0.0, 2, 2)
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
    assert {round(item.score, 9) for item in blind} != {round(item.score, 9) for item in oracle}
    scores = {item.hyperparameters["level"]: item.score for item in blind}
    aggregates = {item.hyperparameters["level"]: item.score for item in oracle}
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
    assert "seeds = [100]" in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("seeds = [100]", "seeds = [100, 0]"))
    with pytest.raises(UsageError, match=r"mine.toml: tuning.seeds \[100, 0\] must not be seeds of the suite"):
        parse(file)


def test_the_winner_is_a_table_to_paste() -> None:
    best = Try({"rate": 1e-05, "passes": 3, "name": "a", "all": True, "nothing": None}, 0.5, 3, 0, 1.0)
    assert tomllib.loads(as_variant("digits-quick", "blind", best)) == {
        "variants": {"digits_quick": {"rate": 1e-05, "passes": 3, "name": "a", "all": True}}
    }
    assert "never ranked" in as_variant("digits", "oracle", best)
    assert "oracle" in tomllib.loads(as_variant("digits", "oracle", best))["variants"]


def test_the_first_tries_are_spread_over_the_space(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path
) -> None:
    search = {"other": Range(low=1e-3, high=0.1, log=True), "level": Range(choices=(0, 3))}
    tuning = Tuning(seeds=(100,), discovery_rates=(1.0,), tries=8)
    tries = tune(replace(suite, tuning=tuning), replace(submission, search=search), store, tmp_path)
    others = sorted(item.hyperparameters["other"] for item in tries if "other" in item.hyperparameters)
    assert others == [float(f"{1e-3 * 100 ** (point / 8):.3g}") for point in range(1, 8)]
    assert {item.hyperparameters["level"] for item in tries} == {0, 3}
