"""Intervals over seeds against scipy, differences by pairs or Welch, and ranks worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from unlearnbench.evaluation.statistics import (
    Difference,
    Estimate,
    correlation,
    correlation_estimate,
    difference,
    estimate,
    rank_intervals,
    resampled_correlation,
    share_estimate,
)

NAN = float("nan")
X = np.array([0.1, 0.4, 0.4, 0.7, 0.9, 0.2])
Y = np.array([0.2, 0.3, 0.5, 0.6, 0.6, 0.4])


def same(count: int) -> np.ndarray:
    return np.ones(count, dtype=bool)


def has_no_interval(found: Estimate | Difference) -> bool:
    return math.isnan(found.low) and math.isnan(found.high)


def test_the_interval_is_students_over_the_seeds_that_have_a_value():
    found = estimate(np.array([0.1, NAN, 0.4, 0.7, 0.9, NAN, 0.2]))
    known = np.array([0.1, 0.4, 0.7, 0.9, 0.2])
    assert (found.value, found.seeds, found.constant) == (pytest.approx(known.mean()), 5, False)
    assert (found.low, found.high) == pytest.approx(
        stats.t.interval(0.95, 4, known.mean(), stats.sem(known)), abs=1e-12
    )


@pytest.mark.parametrize(("values", "mean"), [([], NAN), ([NAN], NAN), ([0.3], 0.3), ([0.3, 0.5, NAN], 0.4)])
def test_of_fewer_than_three_seeds_there_is_a_mean_and_no_interval(values, mean):
    found = estimate(np.array(values))
    assert found.value == pytest.approx(mean, nan_ok=True)
    assert found.seeds == np.isfinite(values).sum()
    assert has_no_interval(found)


def test_seeds_that_are_all_equal_have_no_interval_and_are_marked():
    found = estimate(np.array([0.1 + 0.2, 0.3, 0.3]))  # equal but for the last digit
    assert found.constant
    assert found.value == pytest.approx(0.3)
    assert has_no_interval(found)


def test_a_paired_difference_is_a_t_test_of_the_pairs():
    found = difference(X, Y, same(6))
    test = stats.ttest_rel(X, Y)
    assert (found.kind, found.seeds, found.value) == ("paired", 6, pytest.approx((X - Y).mean()))
    assert found.p == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(0.95)), abs=1e-12)


def test_swapping_the_methods_swaps_the_signs():
    for shared in (same(6), ~same(6)):
        there, back = difference(X, Y, shared), difference(Y, X, shared)
        assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
        assert there.p == pytest.approx(back.p)


def test_three_pairs_are_used_and_nothing_else():
    shared = np.array([True, True, True, False, False, False])
    assert difference(X, Y, shared) == difference(X[:3], Y[:3], same(3))


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_of_fewer_than_three_pairs_all_values_are_compared_unpaired(pairs):
    shared = np.arange(6) < pairs
    first, second = np.append(X, 0.8), np.append(Y, NAN)  # seven seeds against six
    found = difference(first, second, np.append(shared, True))
    test = stats.ttest_ind(first, Y, equal_var=False)
    assert (found.kind, found.seeds) == ("unpaired", 6)
    assert found.value == pytest.approx(first.mean() - Y.mean())
    assert found.p == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(0.95)), abs=1e-12)


def test_one_that_does_not_vary_is_still_compared_unpaired():
    found = difference(X, np.full(6, 0.1), ~same(6))
    assert (found.kind, found.p) == ("unpaired", pytest.approx(stats.ttest_1samp(X, 0.1).pvalue))


@pytest.mark.parametrize(("shared", "kind"), [(True, "paired"), (False, "unpaired")])
def test_equal_everywhere_is_no_difference_for_sure(shared, kind):
    constant = np.full(6, 0.3)
    first = X + 0.1 - 0.1 if shared else constant  # equal but for what rounding leaves
    second = X if shared else constant
    assert difference(first, second, np.full(6, shared)) == Difference(0.0, 0.0, 0.0, 1.0, 6, kind)


@pytest.mark.parametrize("shared", [True, False])
def test_a_difference_that_is_the_same_in_every_seed_is_not_tested(shared):
    first, second = (X + 0.1, X) if shared else (np.full(6, 0.4), np.full(6, 0.3))
    found = difference(first, second, np.full(6, shared))
    assert (found.kind, found.value, found.seeds) == ("untested", pytest.approx(0.1), 6)
    assert has_no_interval(found)
    assert math.isnan(found.p)


def test_of_too_few_seeds_a_difference_is_shown_and_not_tested():
    first, second = np.array([0.5, NAN, 0.7]), np.array([0.4, 0.1, NAN])
    pair = difference(first, second, same(3))
    assert (pair.kind, pair.value, pair.seeds) == ("untested", pytest.approx(0.1), 1)
    apart = difference(first, second, ~same(3))
    assert (apart.kind, apart.value, apart.seeds) == ("untested", pytest.approx(0.6 - 0.25), 2)
    nothing = difference(np.array([NAN]), np.array([0.1]), same(1))
    assert (nothing.kind, nothing.seeds, math.isnan(nothing.value)) == ("untested", 0, True)
    for found in (pair, apart, nothing):
        assert has_no_interval(found)
        assert math.isnan(found.p)


# Two patterns over eight seeds, at right angles: a difference of m and one of them has the standard error
# sqrt(8 / 7 / 8) = 0.378, one of m and both 0.535. Quantiles of t with 7 degrees: 2.36 at 5%, 2.84 at 5% / 2.
ONE = np.array([1, 1, 1, 1, -1, -1, -1, -1])
TWO = np.array([1, 1, -1, -1, 1, 1, -1, -1])
SHARED = np.zeros((3, 8))


def test_ranks_by_hand():
    best, middle, last = np.zeros(8), -0.95 + ONE, -1.5 + TWO
    # best: t 3.97 over last, then 2.51 over middle, which is enough for the second of two (Bonferroni: it is not).
    # middle: t 2.51 under best is too little for the first of two, so nothing is told from it.
    # last: 3.97 under best; 1.03 under middle.
    assert rank_intervals(np.array([best, middle, last]), SHARED) == [(1, 1), (1, 3), (2, 3)]
    assert rank_intervals(np.array([last, best, middle]), SHARED) == [(2, 3), (1, 1), (1, 3)]
    assert rank_intervals(np.array([best]), SHARED[:1]) == [(1, 1)]


def test_an_untested_difference_separates_nothing_and_counts_in_the_family():
    best, middle = np.zeros(8), -0.95 + ONE
    assert rank_intervals(np.array([best, middle]), SHARED[:2]) == [(1, 1), (2, 2)]
    always_one_less = best - 1
    ranks = rank_intervals(np.array([best, middle, always_one_less]), SHARED)
    assert ranks == [(1, 3), (1, 3), (1, 3)]
    # It comes last in the family, wherever it stands: -3 is told from both (t 7.9 and 5.3).
    assert rank_intervals(np.array([best, always_one_less, -3 + ONE]), SHARED) == [(1, 2), (1, 2), (3, 3)]


def test_ranks_use_pairs_only_of_the_same_original():
    hardness = np.linspace(-5, 5, 8)
    values = np.array([hardness, hardness - 0.95 + ONE])
    assert rank_intervals(values, SHARED[:2]) == [(1, 1), (2, 2)]
    other = np.array([np.zeros(8), np.ones(8)])
    assert rank_intervals(values, other) == [(1, 2), (1, 2)]


def test_correlations_equal_scipy_with_ties():
    assert correlation(X, Y, "pearson") == pytest.approx(stats.pearsonr(X, Y).statistic)
    assert correlation(X, Y, "spearman") == pytest.approx(stats.spearmanr(X, Y).statistic)
    rising = np.arange(1.0, 9.0)
    assert correlation(rising, np.exp(rising), "spearman") == pytest.approx(1.0)
    assert correlation(rising, np.exp(rising), "pearson") < 0.9


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_four_points_or_no_variation_have_no_correlation(kind):
    assert not math.isnan(correlation(X[:5], Y[:5], kind))
    for x, y in ((X[:4], Y[:4]), (X[:0], Y[:0]), (X, np.full(6, 0.1)), (np.full(6, 0.1), Y)):
        assert math.isnan(correlation(x, y, kind))


def test_the_interval_of_correlations_is_fishers():
    found = correlation_estimate(np.array([0.5, NAN, 0.6, 0.8]))
    z = np.array([0.5493061443, 0.6931471806, 1.0986122887])  # artanh, from a table
    low, high = stats.t.interval(0.95, 2, z.mean(), stats.sem(z))
    assert (found.value, found.low, found.high) == pytest.approx((math.tanh(z.mean()), math.tanh(low), math.tanh(high)))
    assert found.seeds == 3


@pytest.mark.parametrize("perfect", [1.0, -1.0, 1 - 1e-16])
def test_a_perfect_correlation_is_left_out(perfect):
    found = correlation_estimate(np.array([0.5, perfect, 0.6]))
    assert (found.value, found.seeds) == (pytest.approx(math.tanh((math.atanh(0.5) + math.atanh(0.6)) / 2)), 2)
    assert has_no_interval(found)
    assert math.isnan(correlation_estimate(np.array([perfect])).value)


def test_a_share_has_the_wider_of_two_intervals() -> None:
    # All seeds agree: only Wilson's knows that 70 samples are few. 1.96^2 / (70 + 1.96^2) is its end at no success.
    same = share_estimate(np.zeros(10), np.full(10, 7.0))
    assert (same.value, same.low, same.high) == (0.0, 0.0, pytest.approx(0.05202, abs=1e-4))
    assert share_estimate(np.ones(10), np.full(10, 7.0)).low == pytest.approx(1 - 0.05202, abs=1e-4)
    # Seeds differ more than samples of one share would: the t interval over seeds is wider.
    apart = np.array([0.1, 0.9, 0.1, 0.9])
    found, over_seeds = share_estimate(apart, np.full(4, 1000.0)), estimate(apart)
    assert (found.low, found.high) == (max(0, over_seeds.low), min(1, over_seeds.high))
    # Two seeds have no interval, and a missing one does not count.
    assert np.isnan(share_estimate(np.array([0.5, 0.5, np.nan]), np.full(3, 7.0)).low)


def test_resampled_pairs_bound_a_rank_correlation() -> None:
    x = np.arange(10.0)
    assert resampled_correlation(x, x**3) == pytest.approx((1.0, 1.0))
    noisy = np.array([0, 3, 1, 2, 6, 4, 5, 9, 7, 8.0])
    low, high = resampled_correlation(x, noisy)
    assert low < correlation(x, noisy, "spearman") < high <= 1
    assert low > 0.4
    assert np.isnan(resampled_correlation(x[:4], x[:4])).all()
    assert np.isnan(resampled_correlation(x, np.ones(10))).all()
