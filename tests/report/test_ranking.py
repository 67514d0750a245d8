import numpy as np
import pandas as pd
import pytest
from scipy import stats

from unlearnbench.evaluation.statistics import paired, resamples
from unlearnbench.report.frames import trials
from unlearnbench.report.ranking import ranked, ranked_by_regularity, ranking
from unlearnbench.report.scores import read_scores, scores_of

CELLS = [(regularity, rate, seed) for regularity in ("low", "medium", "high") for rate in (0.1, 1.0) for seed in (0, 1)]


@pytest.fixture
def frame(small) -> pd.DataFrame:
    return trials(small.engine, "small")


def test_ranking_counts_failures_as_zero_and_missing_not_at_all(frame):
    table = ranking(frame).set_index("method")
    flaky = table.loc["flaky"]
    scores = [0.0] * 3 + [30.0] * 6
    assert flaky["aggregate"] == pytest.approx(np.mean(scores))
    assert flaky["aggregate_sem"] == pytest.approx(stats.sem(scores))
    assert flaky["aggregate_low"] < flaky["aggregate"] < flaky["aggregate_high"]
    assert (flaky["healed"], flaky["utility"]) == pytest.approx((50.0, 60.0))
    assert (flaky["trials"], flaky["failed"], flaky["missing"]) == (12, 3, 3)
    assert (flaky["seconds"], flaky["cost"]) == (2.0, 0.25)
    healed = [30, 50, 50, 70, 70, 90]
    assert table.loc["good", "healed"] == pytest.approx(60.0)
    assert table.loc["good", "healed_sem"] == pytest.approx(stats.sem(healed * 2))


def test_ranking_is_sorted_and_references_stand_last_without_a_rank(frame):
    table = ranking(frame)
    assert table["method"].tolist() == ["good", "flaky", "retrain", "oracle"]
    assert table["rank"].tolist()[:3] == [1, 2, 2]  # 20 and 18 of 100 cannot be told apart on 12 problems
    assert table["rank"].isna().tolist() == [False, False, False, True]


def test_ranking_of_a_method_does_not_depend_on_the_others(frame):
    alone = ranking(frame[frame["method"].isin(["flaky", "retrain"])]).set_index("method").loc["flaky"]
    among = ranking(frame).set_index("method").loc["flaky"]
    assert alone.drop("rank").equals(among.drop("rank"))


def test_method_without_records_has_no_rank(small):
    small.submission("new", "new")
    small.trial("first", "new", ("low", 0.1, 0), state="missing")
    table = ranking(trials(small.engine, "small")).set_index("method")
    assert pd.isna(table.loc["new", "rank"])
    assert table.index.tolist() == ["good", "flaky", "retrain", "new", "oracle"]


def test_methods_are_ranked_among_those_on_the_same_kind_of_original(small):
    for cell in CELLS:
        small.trial("first", "good", cell, healed=0.4, seconds=3.0, training="tied-dropout")
        small.trial("first", "flaky", cell, healed=0.6, training="tied-dropout")
        small.trial("first", "retrain", cell, healed=0.3, seconds=6.0, training="tied-dropout")
    frame = trials(small.engine, "small")
    table = ranking(frame).set_index("method")
    tied = table.loc[["flaky on tied dropout", "good on tied dropout", "retrain on tied dropout"]]
    assert tied["rank"].tolist() == [1, 2, 3]
    assert set(tied["stands_on"]) == {"50% capacity, tied dropout"}
    assert table.loc["good", "rank"] == 1
    assert tied.loc["good on tied dropout", "cost"] == pytest.approx(3.0 / 6.0)
    assert table.loc["good", "cost"] == pytest.approx(2.0 / 8.0)
    assert table.index.tolist()[-3:] == tied.index.tolist(), "the suite's first kind of original comes first"
    assert (
        table.loc["good"]
        .drop(["stands_on"])
        .equals(
            ranking(frame[~frame["method"].str.contains(" on ")]).set_index("method").loc["good"].drop(["stands_on"])
        )
    )


def test_intervals_are_those_of_one_bootstrap_over_the_problems(frame):
    table = ranking(frame).set_index("method")
    scores = scores_of(frame)
    row = scores.methods["method"].tolist().index("flaky")
    draws = resamples(12, np.random.default_rng(0))
    for metric in ("healed", "utility", "aggregate"):
        estimate = paired(getattr(scores, metric), draws).mean(row)
        found = table.loc["flaky", [metric, f"{metric}_low", f"{metric}_high"]].tolist()
        assert found == pytest.approx([100 * estimate.value, 100 * estimate.low, 100 * estimate.high])


def test_methods_that_cannot_be_told_apart_share_a_rank(small):
    for name, healed in (("close", 0.0), ("far", -0.3)):
        small.submission(name, name)
        for index, (regularity, rate, seed) in enumerate(CELLS):
            good = {"low": 0.3, "medium": 0.5, "high": 0.7}[regularity] + 0.2 * seed
            wobble = 0.02 * (-1) ** index - 0.001
            small.trial("first", name, (regularity, rate, seed), healed=max(0.0, good + healed + wobble))
    table = ranking(trials(small.engine, "small"))
    assert table["method"].tolist()[:2] == ["good", "close"]
    assert table["rank"].tolist()[:2] == [1, 1]
    assert table["rank"].tolist()[2:5] == [3, 3, 3]


def test_each_regularity_has_a_ranking_of_its_own(small, frame):
    table = ranked_by_regularity(read_scores(small.engine, "small"))
    assert table["regularity"].unique().tolist() == ["high", "medium", "low"]
    for regularity, part in table.groupby("regularity"):
        expected = ranking(frame[frame["regularity"] == regularity])
        pd.testing.assert_frame_equal(part.drop(columns="regularity").reset_index(drop=True), expected)
    low = table[(table["regularity"] == "low") & (table["method"] == "flaky")].iloc[0]
    assert (low["trials"], low["failed"], low["missing"]) == (4, 3, 0)
    assert low["aggregate"] == pytest.approx(7.5)


def test_a_suite_of_one_problem_has_no_intervals_and_one_rank(frame):
    one = frame[(frame["regularity"] == "medium") & (frame["discovery_rate"] == 0.1) & (frame["corruption_seed"] == 0)]
    table = ranking(one)
    assert table["rank"].dropna().tolist() == [1, 1, 1]
    assert table[["aggregate_low", "healed_low", "utility_high"]].isna().all(axis=None)


def test_a_store_without_a_record_can_be_ranked(stored):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), state="missing")
    for table in (ranked(read_scores(stored.engine, "small")), ranking(trials(stored.engine, "small"))):
        assert table["rank"].isna().all()
        assert table[["method", "trials", "missing"]].to_numpy().tolist() == [["good", 1, 1]]
    assert ranked_by_regularity(read_scores(stored.engine, "small"))["method"].tolist() == ["good"]
