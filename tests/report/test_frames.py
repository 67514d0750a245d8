import numpy as np
import pandas as pd
import pytest
from scipy import stats

from unlearnbench.errors import UsageError
from unlearnbench.report.frames import (
    healing_correlation,
    map_of,
    original_column,
    ranking,
    runs_of,
    states_of,
    thirds,
    trials,
)

CELLS_OF_A_METHOD = 12
CELLS = [(regularity, rate, seed) for regularity in ("low", "medium", "high") for rate in (0.1, 1.0) for seed in (0, 1)]


@pytest.fixture
def frame(small) -> pd.DataFrame:
    return trials(small.engine, "small")


def test_every_planned_trial_is_a_row(frame):
    assert frame.groupby("method").size().to_dict() == dict.fromkeys(
        ["flaky", "good", "oracle", "retrain"], CELLS_OF_A_METHOD
    )
    flaky = frame[frame["method"] == "flaky"]
    assert flaky["state"].value_counts().to_dict() == {"finished": 6, "failed": 3, "missing": 3}
    missing = flaky[flaky["state"] == "missing"]
    assert missing[["aggregate", "unlearning_seed", "reason"]].isna().all(axis=None)
    assert missing["original_utility"].tolist() == [0.9] * 3
    assert missing["training_seed"].isin([10, 11]).all()


def test_row_holds_what_the_store_does(frame):
    row = frame[(frame["method"] == "good") & (frame["regularity"] == "high")].iloc[-1]
    assert (row["corruption"], row["discovery_rate"], row["corruption_seed"]) == ("poison-trigger", 1.0, 1)
    assert (row["training_seed"], row["unlearning_seed"], row["trial"]) == (11, 21, "good high 1.0 1")
    assert row["aggregate"] == pytest.approx(0.9 * 0.8)
    assert row["original_aggregate"] == pytest.approx(0.2 * 0.9)
    assert (row["forward_samples"], row["hyperparameters"]) == (100, '{"rate": 0.1, "steps": 2}')
    assert frame["healed_undiscovered"].dtype == "float64"


def test_latest_run_of_each_method_counts(small):
    small.run("second", day=1)
    small.submission("good, changed", "good")
    small.trial("second", "good, changed", ("low", 0.1, 0), healed=0.9)
    small.submission("good, tuned", "good", variant="tuned")
    small.trial("first", "good, tuned", ("low", 0.1, 0))
    small.run("of another suite", suite="other", day=2)
    small.trial("of another suite", "flaky", ("low", 0.1, 1))
    frame = trials(small.engine, "small")
    good = frame[frame["method"] == "good"]
    assert good["source_hash"].tolist() == ["source of good, changed"]
    assert good["healed_train"].tolist() == [0.9]
    assert (frame["method"] == "flaky").sum() == CELLS_OF_A_METHOD
    assert (frame["method"] == "good/tuned").sum() == 1
    assert [run.id for run in runs_of(small.engine, frame)] == ["first", "second"]


def test_trials_stored_by_an_earlier_run_belong_to_the_later_one(small):
    small.run("second", day=1)
    small.trial("second", "flaky", ("low", 0.1, 1), state="missing")  # planned again, recorded by the first run
    frame = trials(small.engine, "small")
    flaky = frame[frame["method"] == "flaky"]
    assert flaky[["state", "run"]].to_numpy().tolist() == [["finished", "first"]]


def test_missing_original_leaves_the_trial_in(small):
    small.run("second", day=1)
    with small.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM originals WHERE key = 'low 0'")
    small.trial("second", "flaky", ("low", 0.1, 0), state="missing")
    assert "flaky low 0.1 0" in trials(small.engine, "small")["trial"].tolist()


def test_unknown_suite_and_method_are_named(small, frame):
    with pytest.raises(UsageError, match=r"no run of suite 'large'; it has runs of: small$"):
        trials(small.engine, "large")
    with pytest.raises(UsageError, match=r"no trials of method 'great'; .*: flaky, good, oracle, retrain$"):
        map_of(frame, "aggregate", "great")


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
    assert table["rank"].tolist()[:3] == [1, 2, 3]
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


def test_map_has_high_on_top_and_rates_rising(frame):
    cells = map_of(frame, "aggregate", "good")
    assert cells.index.tolist() == ["high", "medium", "low"]
    assert cells.columns.tolist() == [0.1, 1.0]
    assert cells.to_numpy() == pytest.approx(np.array([[64, 64], [48, 48], [32, 32]]))


def test_map_of_failed_and_missing_cells(frame):
    expected = [[np.nan, 30.0], [30.0, 30.0], [15.0, 0.0]]
    assert map_of(frame, "aggregate", "flaky").to_numpy() == pytest.approx(np.array(expected), nan_ok=True)
    expected = [[np.nan, 50.0], [50.0, 50.0], [50.0, np.nan]]
    assert map_of(frame, "healed_train", "flaky").to_numpy() == pytest.approx(np.array(expected), nan_ok=True)
    assert states_of(frame, "flaky").to_numpy().tolist() == [
        ["missing", "finished"],
        ["finished", "partly missing"],
        ["partly failed", "failed"],
    ]


def test_original_column_is_the_mean_over_originals(frame):
    # The seed 0 original has 10%, seed 1 has 20%; more trials of one seed do not weigh it more.
    uneven = frame[(frame["corruption_seed"] == 0) | (frame["discovery_rate"] == 1.0)]
    assert original_column(uneven, "healed_train", "good").to_dict() == pytest.approx(
        {"high": 15.0, "medium": 15.0, "low": 15.0}
    )


def test_correlations_equal_scipy_and_count_what_is_left_out(frame):
    table = healing_correlation(frame).set_index(["by", "name"])
    good = frame[frame["method"] == "good"]
    row = table.loc[("method", "good")]
    assert row["pearson"] == pytest.approx(stats.pearsonr(good["healed_train"], good["healed_test"]).statistic)
    assert row["spearman"] == pytest.approx(1.0)
    assert (row["trials"], row["left_out"]) == (12, 0)
    # flaky: utility 0.6 < 0.8 x 0.9; the others are above it.
    assert (table.loc[("method", "flaky"), "trials"], table.loc[("method", "flaky"), "left_out"]) == (0, 6)
    assert np.isnan(table.loc[("method", "flaky"), "pearson"])
    assert np.isnan(table.loc[("method", "retrain"), "pearson"])
    assert (table.loc[("overall", "all"), "trials"], table.loc[("overall", "all"), "left_out"]) == (36, 6)
    assert [name for by, name in table.index if by == "regularity"] == ["high", "medium", "low"]


def test_low_utility_can_be_absolute_or_held_against_the_original(frame):
    def left_out(**options) -> int:
        return healing_correlation(frame, by=[], **options).loc[0, "left_out"]

    assert left_out(low_utility="relative", threshold=0.9) == 12 + 6  # 0.8 < 0.9 x 0.9
    assert left_out(low_utility="absolute", threshold=0.9) == 12 + 6
    assert left_out(low_utility="relative", threshold=0.85) == 6
    assert left_out(low_utility="absolute", threshold=0.85) == 12 + 6


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


def test_thirds_of_discovery_by_hand(small):
    frame = trials(small.engine, "small")
    table = thirds(frame)
    good = table.loc[("good", "high")]
    assert good["low", "healed_train"] == pytest.approx(80.0)  # seeds 0.7 and 0.9 at rate 0.1
    assert good["high", "aggregate"] == pytest.approx(64.0)
    assert good["middle"].isna().all()  # no rate between 1/3 and 2/3
    flaky = table.loc[("flaky", "low")]
    assert flaky["low", "aggregate"] == pytest.approx(15.0)  # one of two failed and counts 0
    assert flaky["low", "healed_train"] == pytest.approx(50.0)
    boundary = thirds(frame.assign(discovery_rate=[0.3, 0.4, 0.6, 0.7] * (len(frame) // 4)))
    assert not boundary.loc[("good", "high")].isna().any()


def test_a_higher_level_of_isolation_can_be_demanded(stored) -> None:
    stored.problems()
    stored.run("first")
    stored.run("strict", day=1, isolation="strict")
    stored.run("last", day=2)
    stored.submission("mine", "mine")
    stored.submission("yours", "yours")
    for cell in CELLS:
        for run in ("first", "last"):
            stored.trial(run, "mine", cell, healed=0.5)
        stored.trial("first", "yours", cell)
    for cell in CELLS:
        stored.trial("strict", "mine", cell, "missing" if cell == CELLS[-1] else "finished", 0.7, isolation="strict")
    states = trials(stored.engine, "small").groupby("method")["state"].value_counts()
    assert states.to_dict() == {("mine", "finished"): len(CELLS), ("yours", "finished"): len(CELLS)}
    frame = trials(stored.engine, "small", isolation="strict")
    states = frame.groupby("method")["state"].value_counts()
    assert states.to_dict() == {
        ("mine", "finished"): len(CELLS) - 1,
        ("mine", "missing"): 1,
        ("yours", "missing"): len(CELLS),
    }
    assert set(frame.loc[frame["state"] == "finished", "healed_train"]) == {0.7}
