import numpy as np
import pandas as pd
import pytest

from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.report import scores as scores_module
from unlearnbench.report.frames import trials
from unlearnbench.report.scores import Scores, read_scores, scores_of


def same(first: Scores, second: Scores) -> None:
    pd.testing.assert_frame_equal(first.methods, second.methods, check_dtype=False)
    pd.testing.assert_frame_equal(first.problems, second.problems, check_dtype=False)
    for name in ("healed", "utility", "aggregate", "seconds", "missing", "failed"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


@pytest.fixture
def varied(small):
    """Beside what `small` has: another kind of original, a later run of a changed method, and another suite."""
    small.run("second", day=1)
    small.submission("good, changed", "good")
    for rate in (0.1, 1.0):
        small.trial("second", "good, changed", ("low", rate, 0), healed=0.9)
        small.trial("second", "flaky", ("high", rate, 1), healed=0.7, training="tied-dropout")
        small.trial("second", "retrain", ("high", rate, 1), state="missing", training="tied-dropout")
    small.submission("good, tuned", "good", variant="tuned")
    small.trial("first", "good, tuned", ("low", 0.1, 0))
    small.run("of another suite", suite="other", day=2)
    small.trial("of another suite", "oracle", ("low", 0.1, 1))
    return small


def test_frame_and_store_give_the_same_scores(varied):
    found = read_scores(varied.engine, "small")
    same(found, scores_of(trials(varied.engine, "small")))
    names = found.methods["method"].tolist()
    assert names == [
        "flaky on tied dropout",  # the latest run that planned a method counts, on all that it stands on
        "good",
        "good/tuned",
        "oracle",
        "retrain on tied dropout",
    ]
    good = found.aggregate[names.index("good")]
    assert good[~np.isnan(good)] == pytest.approx([0.72, 0.72])


def test_chunks_make_no_difference(varied, monkeypatch):
    whole = read_scores(varied.engine, "small")
    monkeypatch.setattr(scores_module, "_CHUNK", 5)
    same(read_scores(varied.engine, "small"), whole)


def test_failed_and_missing_trials(small):
    found = read_scores(small.engine, "small")
    row = found.methods["method"].tolist().index("flaky")
    failed = found.failed[row]
    assert failed.sum() == 3
    assert (found.aggregate[row, failed] == 0).all()
    assert np.isnan(found.healed[row, failed]).all()
    assert np.isnan(found.seconds[row, failed]).all()
    assert np.isnan(found.aggregate[row]).sum() == 3
    assert found.missing[row].tolist() == [0, 1, 2]  # low, medium, high
    assert found.missing.sum() == 3


def test_the_time_of_a_failed_trial_does_not_count(small):
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET seconds = 60 WHERE state = 'failed'")
    found = read_scores(small.engine, "small")
    assert np.nanmax(found.seconds) == 8.0
    same(found, scores_of(trials(small.engine, "small")))


def test_trials_that_differ_in_a_seed_are_not_paired(small):
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET unlearning_seed = 99 WHERE submission_key = 'retrain'")
    found = read_scores(small.engine, "small")
    names = found.methods["method"].tolist()
    good, retrain = (~np.isnan(found.aggregate[names.index(name)]) for name in ("good", "retrain"))
    assert (good.sum(), retrain.sum(), (good & retrain).sum()) == (12, 12, 0)


def test_two_records_in_one_place_are_not_taken_for_one(small):
    frame = trials(small.engine, "small")
    with pytest.raises(HarnessError, match="two records of one method on the same problem"):
        scores_of(pd.concat([frame, frame[frame["method"] == "good"].head(1)]))


def test_parts_of_the_map(small):
    found = read_scores(small.engine, "small")
    high = found.of("high")
    assert high.problems["regularity"].unique().tolist() == ["high"]
    assert (high.aggregate.shape, high.missing.sum()) == ((4, 4), 2)
    assert found.of("high", 0.1).problems["discovery_rate"].tolist() == [0.1, 0.1]


def test_unknown_suite(small):
    with pytest.raises(UsageError, match="no run of suite 'large'"):
        read_scores(small.engine, "large")
