"""What is stored is what the predictions say: one wrong number anywhere is found and named."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.predictions import pack, unpack
from unlearnbench.problems.datasets import load
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import PredictionRow, ProblemRow, RunRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.verify.recompute import Difference, recompute


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store after a run of two corruptions, two rates, and a method that fails."""
    return tmp_path_factory.mktemp("ran") / "results.db"


@pytest.fixture
def stored(ran: Path, tiny_suite: Suite, make_submission: Any, tmp_path: Path) -> Store:
    """A copy of that store."""
    if not ran.exists():
        submissions = [make_submission("good", "return problem.original()"), make_submission("bad", "return None")]
        suite = replace(tiny_suite, corruptions=("class-swap", "poison-trigger"), discovery_rates=(0.5, 1.0))
        with Store(str(ran)) as store:
            run_suite(suite, submissions, store, ran.parent, workers=2)
            with store.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = tmp_path / "copy.db"
    copy.write_bytes(ran.read_bytes())
    return Store(str(copy))


def trial_of(store: Store, corruption: str, rate: float) -> TrialRow:
    with Session(store.engine) as session:
        query = select(TrialRow).join(ProblemRow).where(ProblemRow.corruption == corruption)
        return session.scalars(query.where(ProblemRow.discovery_rate == rate, TrialRow.state == "finished")).one()


def change(store: Store, table: Any, key: Any, **values: Any) -> None:
    with store.engine.begin() as connection:
        connection.execute(update(table).where(key).values(**values))


def test_what_was_run_is_what_is_recomputed(stored: Store, tmp_path: Path) -> None:
    result = recompute(stored, tmp_path)
    assert (result.trials, result.without_score, result.differences) == (4, 0, ())
    assert recompute(stored, tmp_path, suite="tiny") == result


def test_a_run_whose_specification_lacks_what_has_a_default(stored: Store, tmp_path: Path) -> None:
    with Session(stored.engine) as session:
        specification = dict(session.scalars(select(RunRow.suite_specification)).one())
    del specification["image_size"]
    budget = {name: value for name, value in specification["budget"].items() if name != "stop_accuracy"}
    change(stored, RunRow, True, suite_specification=specification | {"budget": budget})
    assert recompute(stored, tmp_path, ours=False).differences == ()


def test_others_records_of_a_folder_are_recomputed_from_the_one_in_data(
    tiny_suite: Suite, make_submission: Any, tmp_path: Path
) -> None:
    """Only a folder in `data` is read for them, and only with the images that they were made with."""
    data, random = tmp_path / "data", np.random.default_rng(0)
    for part, name, place in product(("train", "test"), ("cat", "dog"), range(10)):
        file = data / "pets" / part / name / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(file)
    suite = replace(tiny_suite, dataset="imagefolder:pets", train_size=None, test_size=None)
    suite = replace(suite, corruption=replace(suite.corruption, size=4, class_pair=(0, 1)))
    with Store(str(tmp_path / "theirs.db")) as store:
        run_suite(suite, [make_submission("good", "return problem.original()")], store, data, workers=1)
        assert recompute(store, data, ours=False).differences == ()
        with pytest.raises(UsageError, match=r"is a folder that .*elsewhere does not have: put it there as"):
            recompute(store, tmp_path / "elsewhere", ours=False)
        file.unlink()
        with pytest.raises(UsageError, match=r"data set 'imagefolder:pets' in .* is not the one of suite 'tiny'"):
            recompute(store, data, ours=False)


@pytest.mark.parametrize("folder", ["/etc", "../pets", "a/b", "..", "."])
def test_others_records_cannot_name_a_folder_elsewhere(stored: Store, tmp_path: Path, folder: str) -> None:
    with Session(stored.engine) as session:
        specification = session.scalars(select(RunRow.suite_specification)).one()
    change(stored, RunRow, True, suite_specification=specification | {"dataset": f"imagefolder:{folder}"})
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(UsageError, match="is a folder, and which one to read is not for others to say"):
        recompute(stored, tmp_path, ours=False)


METRICS = (
    *("healed_train", "healed_discovered", "healed_undiscovered", "healed_test", "utility", "utility_train"),
    *("misled_discovered", "misled_undiscovered", "attack_success", "aggregate", "selection_score"),
)


@pytest.mark.parametrize("metric", METRICS)
def test_a_wrong_metric_is_found(stored: Store, tmp_path: Path, metric: str) -> None:
    trial = trial_of(stored, "poison-trigger", 0.5)
    true = getattr(trial, metric)
    change(stored, TrialRow, TrialRow.key == trial.key, **{metric: true + 2e-12})
    assert recompute(stored, tmp_path).differences == (
        Difference(trial.key, "good", "poison-trigger at 50%, seed 0", metric, true + 2e-12, true),
    )


def test_a_metric_that_is_missing_or_should_be_is_found(stored: Store, tmp_path: Path) -> None:
    some, all_found = trial_of(stored, "class-swap", 0.5), trial_of(stored, "class-swap", 1.0)
    change(stored, TrialRow, TrialRow.key == some.key, utility=None, selection_score=None)
    change(stored, TrialRow, TrialRow.key == all_found.key, healed_undiscovered=0.5)
    result = recompute(stored, tmp_path)
    assert [(item.trial, item.metric, item.stored, item.recomputed) for item in result.differences] == [
        (some.key, "utility", None, some.utility),
        (all_found.key, "healed_undiscovered", 0.5, None),
    ]
    assert result.without_score == 1, "records from before there was a score are counted, not called wrong"


def test_a_wrong_prediction_is_found(stored: Store, tmp_path: Path) -> None:
    trial = trial_of(stored, "poison-trigger", 0.5)
    label = int(load("digits", tmp_path, test_size=60).test_labels[0])
    with Session(stored.engine) as session:
        classes = unpack(session.get_one(PredictionRow, trial.key).test)
    classes[0] = label if classes[0] != label else (label + 1) % 10
    change(stored, PredictionRow, PredictionRow.trial_key == trial.key, test=pack(classes))
    utility, *others = recompute(stored, tmp_path).differences
    assert (utility.trial, utility.metric, utility.stored) == (trial.key, "utility", trial.utility)
    assert utility.recomputed == pytest.approx(trial.utility + (1 if classes[0] == label else -1) / 60)
    assert [item.metric for item in others] == (["aggregate"] if trial.healed_train else [])


def test_predictions_that_cannot_be_used_are_named(stored: Store, tmp_path: Path) -> None:
    trial = trial_of(stored, "poison-trigger", 0.5)
    with Session(stored.engine) as session:
        train = session.get_one(PredictionRow, trial.key).train
    for values, said in (
        ({"train": b"nonsense"}, "unreadable: Error -3"),
        ({"train": pack(unpack(train)[1:])}, "of 199 samples instead of 200"),
        ({"train": train, "triggered_test": None}, "of the triggered test set: missing"),
    ):
        change(stored, PredictionRow, PredictionRow.trial_key == trial.key, **values)
        (difference,) = recompute(stored, tmp_path).differences
        assert (difference.trial, difference.metric, difference.recomputed) == (trial.key, "predictions", None)
        assert str(difference.stored).startswith(said)
    with stored.engine.begin() as connection:
        connection.execute(delete(PredictionRow).where(PredictionRow.trial_key == trial.key))
    (difference,) = recompute(stored, tmp_path).differences
    assert (difference.metric, difference.stored) == ("predictions", "missing")


def test_another_data_set_is_refused(stored: Store, tmp_path: Path) -> None:
    with Session(stored.engine) as session, session.begin():
        run = session.scalars(select(RunRow)).one()
        run.suite_specification = run.suite_specification | {"train_size": 199}
    with pytest.raises(UsageError, match=r"data set 'digits' in .* is not the one of suite 'tiny'"):
        recompute(stored, tmp_path)


def test_another_way_of_corrupting_is_refused(stored: Store, tmp_path: Path) -> None:
    change(stored, ProblemRow, ProblemRow.corruption == "class-swap", training_fingerprint="0" * 64)
    with pytest.raises(UsageError, match="class-swap, seed 0, now corrupts 'digits' differently"):
        recompute(stored, tmp_path)


def test_only_one_suite(stored: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown suite 'digits' in the store \(all: tiny"):
        recompute(stored, tmp_path, suite="digits")
