import numpy as np
import pandas as pd
import pytest
from scipy import stats

from unlearnbench.errors import UsageError
from unlearnbench.report.numbers.frames import healing_correlation, map_of, original_column, states_of, thirds
from unlearnbench.report.numbers.totals import beyond_oracle, scored
from unlearnbench.report.wording import row_labels

HIGH, MEDIUM, LOW = "poison-trigger", "class-swap", "random-swap"
CELLS = [(regularity, rate, seed) for regularity in ("low", "medium", "high") for rate in (0.1, 1.0) for seed in (0, 1)]


@pytest.fixture
def frame(small) -> pd.DataFrame:
    return small.board().frame


def test_an_unknown_method_is_named(frame):
    with pytest.raises(UsageError, match=r"unknown method 'great' in the results .*all: flaky, good, oracle, retrain"):
        map_of(frame, "aggregate", "great")


def test_a_failed_trial_is_zero_in_the_product_and_nowhere_in_other_metrics(frame):
    flaky = frame[frame["method"] == "flaky"]
    assert sorted(scored(flaky, "aggregate")) == pytest.approx([0.0] * 3 + [0.3] * 6)
    assert sorted(scored(flaky, "healed_train")) == pytest.approx([0.5] * 6)


def test_map_has_high_on_top_and_rates_rising(frame):
    cells = map_of(frame, "aggregate", "good")
    assert cells.index.tolist() == [HIGH, MEDIUM, LOW]
    assert cells.columns.tolist() == [0.1, 1.0]
    assert cells.to_numpy() == pytest.approx(np.array([[64, 64], [48, 48], [32, 32]]))


def test_two_corruptions_of_one_regularity_have_rows_of_their_own(frame):
    other = frame[frame["corruption"] == MEDIUM].assign(corruption="class-swap/look-alikes", aggregate=0.11)
    cells = map_of(pd.concat([frame, other]), "aggregate", "good")
    assert cells[1.0].to_dict() == pytest.approx({HIGH: 64, MEDIUM: 48, "class-swap/look-alikes": 11, LOW: 32})
    labels = {
        HIGH: "High",
        MEDIUM: "Med. class-swap",
        "class-swap/look-alikes": "Med. class-swap/look-alikes",
        LOW: "Low",
    }
    assert row_labels(cells.index) == labels


def test_a_method_without_a_whole_seed_is_shown_with_all_that_there_is(frame):
    expected = [[np.nan, 30.0], [30.0, 30.0], [15.0, 0.0]]
    assert map_of(frame, "aggregate", "flaky").to_numpy() == pytest.approx(np.array(expected), nan_ok=True)
    expected = [[np.nan, 50.0], [50.0, 50.0], [50.0, np.nan]]
    assert map_of(frame, "healed_train", "flaky").to_numpy() == pytest.approx(np.array(expected), nan_ok=True)
    assert states_of(frame, "flaky").to_numpy().tolist() == [
        ["missing", "finished"],
        ["finished", "partly missing"],
        ["partly failed", "failed"],
    ]


def test_a_map_leaves_out_seeds_that_are_not_whole_where_others_are(small):
    small.submission("new", "new")
    for cell in CELLS:
        healed = 0.2 if cell[2] == 0 else 1.0
        small.trial("first", "new", cell, state="missing" if cell == CELLS[-1] else "finished", healed=healed)
    frame = small.board().frame
    assert map_of(frame, "healed_train", "new").to_numpy() == pytest.approx(np.full((3, 2), 20.0))
    assert (states_of(frame, "new") == "finished").all(axis=None)
    assert original_column(frame, "healed_train", "new")[HIGH] == pytest.approx(10.0)
    assert thirds(frame).loc[("new", HIGH)]["low", "healed_train"] == pytest.approx(20.0)


def test_original_column_is_the_mean_over_originals(frame):
    # The seed 0 original has 10%, seed 1 has 20%; more trials of one seed do not weigh it more.
    uneven = frame[(frame["corruption_seed"] == 0) | (frame["discovery_rate"] == 1.0)]
    assert original_column(uneven, "healed_train", "good").to_dict() == pytest.approx({HIGH: 15, MEDIUM: 15, LOW: 15})


def test_thirds_of_discovery_by_hand(frame):
    table = thirds(frame)
    good = table.loc[("good", HIGH)]
    assert good["low", "healed_train"] == pytest.approx(80.0)  # seeds 0.7 and 0.9 at rate 0.1
    assert good["high", "aggregate"] == pytest.approx(64.0)
    assert good["middle"].isna().all()  # no rate between 1/3 and 2/3
    flaky = table.loc[("flaky", LOW)]
    assert flaky["low", "aggregate"] == pytest.approx(15.0)  # one of two failed and counts 0
    assert flaky["low", "healed_train"] == pytest.approx(50.0)
    assert table.xs("margin", axis=1, level=1).isna().to_numpy().all()  # two seeds have no interval
    boundary = thirds(frame.assign(discovery_rate=[0.3, 0.4, 0.6, 0.7] * (len(frame) // 4)))
    assert not boundary.loc[("good", HIGH)].drop("margin", level=1).isna().any()


def test_the_margin_of_a_third_is_that_of_its_means_over_seeds(frame):
    good = frame[frame["method"] == "good"]
    third_seed = good[good["seed"] == "0/10/20"].assign(seed="2/12/22", aggregate=0.2)
    cell = thirds(pd.concat([good, third_seed], ignore_index=True)).loc[("good", HIGH)]["low"]
    seeds = [56.0, 72.0, 20.0]
    assert cell["aggregate"] == pytest.approx(np.mean(seeds))
    assert cell["margin"] == pytest.approx(4.3027 * np.std(seeds, ddof=1) / 3**0.5, rel=1e-4)


# The corrupted sets have 10 samples; the oracle heals 20%, so three standard errors are 3 sqrt(0.2 * 0.8 / 10) = 37.9%.
def test_trials_that_heal_beyond_the_oracle_are_flagged(stored):
    stored.column(seeds=2)
    stored.scored("oracle", [0.2, 0.2], role="reference")
    stored.scored("over", [0.581, 0.1])
    stored.scored("under", [0.578, 0.1])
    stored.scored("another reference", [1.0, 1.0], role="reference")
    stored.scored("failing", [1.0], state="failed")
    table = beyond_oracle(stored.board().frame)
    assert table[["method", "seed"]].to_numpy().tolist() == [["over", "0/10/20"]]
    assert table["oracle_healed"].tolist() == [0.2]
    frame = stored.board().frame
    another_model = frame.assign(capacity=frame["capacity"].where(frame["method"] != "oracle", 0.25))
    assert beyond_oracle(another_model).empty


def test_the_oracle_of_a_tied_original_is_the_standard_one_if_it_has_no_other(stored):
    stored.column(seeds=1)
    stored.scored("oracle", [0.2], role="reference")
    stored.scored("over", [0.9], training="tied-dropout")
    assert beyond_oracle(stored.board().frame)["method"].tolist() == ["over on tied dropout"]
    stored.scored("oracle", [0.8], role="reference", training="tied-dropout")
    assert beyond_oracle(stored.board().frame).empty


def test_correlations_are_one_a_seed(frame):
    table = healing_correlation(frame).set_index(["by", "name"])
    good = frame[frame["method"] == "good"]
    of_seed = [stats.pearsonr(rows["healed_train"], rows["healed_test"]).statistic for _, rows in good.groupby("seed")]
    row = table.loc[("method", "good")]
    assert row["pearson"] == pytest.approx(np.tanh(np.arctanh(of_seed).mean()))
    assert abs(of_seed[0] - of_seed[1]) > 1e-3
    assert (row["pearson_seeds"], row["trials"], row["left_out"]) == (2, 12, 0)
    assert np.isnan(row["pearson_low"])  # of two seeds
    assert (row["spearman_seeds"], np.isnan(row["spearman"])) == (0, True)  # perfect
    assert ("method", "flaky") not in table.index  # no whole seed
    assert table["pearson"].isna()["method", "retrain"]  # does not vary
    assert table.loc[("overall", "all"), "trials"] == 36
    assert [name for by, name in table.index if by == "corruption"] == [HIGH, MEDIUM, LOW]


def test_low_utility_can_be_absolute_or_held_against_the_original(frame):
    def left_out(**options) -> int:
        return int(healing_correlation(frame, by=[], **options)["left_out"].item())

    assert left_out(low_utility="relative", threshold=0.9) == 12  # good: 0.8 < 0.9 x 0.9; retrain, oracle: 0.9
    assert left_out(low_utility="relative", threshold=0.85) == 0
    assert left_out(low_utility="absolute", threshold=0.85) == 12


def test_a_trial_without_a_forget_set_is_one_point_of_a_correlation(small):
    cells = [(regularity, 0.0, seed) for regularity in ("low", "medium", "high") for seed in (0, 1)]
    small.problems(cells=cells)
    small.submission("blind", "blind")
    for cell in cells:
        healed = {"low": 0.1, "medium": 0.3, "high": 0.4}[cell[0]]
        small.trial("first", "blind", cell, healed=healed, healed_test=healed**2)
    row = healing_correlation(small.board().frame).set_index("name").loc["blind"]
    assert (row["trials"], row["pearson_seeds"], np.isnan(row["pearson"])) == (6, 0, True)
