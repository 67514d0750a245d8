import numpy as np
import pytest
from scipy import stats

from unlearnbench.report.numbers.scores import METRICS, scores_of

CELLS = [(regularity, rate, seed) for regularity in ("low", "medium", "high") for rate in (0.1, 1.0) for seed in (0, 1)]


def row(scores, method: str, metric: str = "aggregate") -> list[float]:
    return scores.values[metric][scores.methods.index(method)].tolist()


def test_a_seed_is_one_number_the_mean_over_its_cells(small):
    scores = scores_of(small.board().totals)
    assert scores.methods == ("flaky", "good", "oracle", "retrain")
    assert scores.seeds == ("0/10/20", "1/11/21")
    assert set(scores.values) == set(METRICS)
    assert row(scores, "good", "healed_train") == pytest.approx([0.5, 0.7])
    assert row(scores, "good", "healed_undiscovered") == pytest.approx([0.25, 0.35])  # at 10% only
    assert row(scores, "good") == pytest.approx([0.4, 0.56])
    assert row(scores, "retrain", "seconds") == [8.0, 8.0]


def test_a_seed_that_is_not_whole_is_no_number_and_no_pair(small):
    scores = scores_of(small.board().totals)
    for metric in METRICS:
        assert np.isnan(row(scores, "flaky", metric)).all()
    assert not scores.same_original("flaky", "good").any()
    assert not scores.same_original("flaky", "flaky").any()
    assert scores.same_original("good", "retrain").all()


def test_a_failed_trial_is_zero_in_the_product_and_left_out_elsewhere(small):
    small.submission("new", "new")
    for cell in CELLS:
        failed = cell == CELLS[0] or cell[2] == 1
        small.trial("first", "new", cell, state="failed" if failed else "finished", healed=0.6, utility=0.5)
    scores = scores_of(small.board().totals)
    assert row(scores, "new") == pytest.approx([0.3 * 5 / 6, 0.0])
    for metric, value in (("healed_train", 0.6), ("utility", 0.5), ("seconds", 2.0)):
        assert row(scores, "new", metric) == pytest.approx([value, np.nan], nan_ok=True)


def test_seeds_stand_in_the_order_of_their_numbers(stored):
    stored.column(seeds=11)
    stored.scored("good", [seed / 100 for seed in range(11)])
    scores = scores_of(stored.board().totals)
    assert row(scores, "good") == pytest.approx([seed / 100 for seed in range(11)])


def test_pairs_are_those_of_equal_weights_not_of_equal_seeds(stored):
    stored.column(seeds=4)
    mine, here, there = [0.5, 0.6, 0.8, 0.4], [0.4, 0.4, 0.5, 0.3], [0.4, 0.4, 0.5, 0.3]
    stored.scored("mine", mine)
    stored.scored("here", here)
    stored.scored("there", there, weights="rounded otherwise")
    scores = scores_of(stored.board().totals)
    paired = scores.difference("aggregate", "mine", "here")
    assert (paired.kind, paired.seeds) == ("paired", 4)
    assert paired.p == pytest.approx(stats.ttest_rel(mine, here).pvalue)
    unpaired = scores.difference("aggregate", "mine", "there")
    assert unpaired.kind == "unpaired"
    assert unpaired.p == pytest.approx(stats.ttest_ind(mine, there, equal_var=False).pvalue)


def test_one_other_original_in_a_seed_is_no_pair(small):
    small.submission("new", "new")
    for cell in CELLS:
        small.trial("first", "new", cell, weights="other" if cell == CELLS[0] else "weights")
    scores = scores_of(small.board().totals)
    assert scores.same_original("new", "good").tolist() == [False, True]


def test_an_estimate_rests_on_the_seeds(stored):
    stored.column(seeds=4)
    healed = [0.5, 0.6, 0.8]
    stored.scored("good", healed)
    found = scores_of(stored.board().totals).estimate("healed_train", "good")
    expected = stats.t.interval(0.95, 2, np.mean(healed), stats.sem(healed))
    assert (found.low, found.high, found.seeds) == (*(pytest.approx(end) for end in expected), 3)


def test_scores_of_a_part_of_the_map_and_of_some_methods(small):
    totals = small.board().totals
    scores = scores_of(totals[totals["corruption"] == "poison-trigger"], ["retrain", "good"])
    assert scores.methods == ("retrain", "good")
    assert row(scores, "good", "healed_train") == pytest.approx([0.7, 0.9])
