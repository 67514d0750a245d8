import math

import numpy as np
import pytest
from scipy import stats

from unlearnbench.evaluation.statistics import (
    RESAMPLES,
    Estimate,
    bootstrap_mean,
    mean,
    paired,
    pearson,
    resamples,
    sem,
    shared_ranks,
    spearman,
)

X = np.array([0.1, 0.4, 0.4, 0.7, 0.9, 0.2])
Y = np.array([0.2, 0.3, 0.5, 0.6, 0.6, 0.4])


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_mean_and_sem_by_hand():
    assert mean(np.array([1.0, 2.0, 6.0])) == 3.0
    assert sem(np.array([1.0, 2.0, 6.0])) == pytest.approx(math.sqrt(7.0) / math.sqrt(3.0))


def test_what_is_undefined_is_nan():
    assert math.isnan(mean(np.array([])))
    assert math.isnan(sem(np.array([1.0])))
    single = bootstrap_mean(np.array([2.0]), random())
    assert single.value == 2.0
    assert math.isnan(single.low)


def test_bootstrap_interval_is_near_the_normal_one_and_follows_the_seed():
    values = random(7).normal(5.0, 2.0, 400)
    estimate = bootstrap_mean(values, random(1))
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - 1.96 * sem(values), abs=0.03)
    assert estimate.high == pytest.approx(values.mean() + 1.96 * sem(values), abs=0.03)
    assert bootstrap_mean(values, random(1)) == estimate
    assert bootstrap_mean(values, random(2)) != estimate


def test_correlations_equal_scipy_with_ties():
    assert pearson(X, Y, random()).value == pytest.approx(stats.pearsonr(X, Y).statistic)
    assert spearman(X, Y, random()).value == pytest.approx(stats.spearmanr(X, Y).statistic)


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_interval_holds_the_correlation_within_bounds(correlation):
    estimate = correlation(X, Y, random())
    assert -1 <= estimate.low < estimate.value < estimate.high <= 1


@pytest.mark.parametrize("correlation", [pearson, spearman])
@pytest.mark.parametrize(
    ("x", "y"), [(X[:2], Y[:2]), (X[:0], Y[:0]), (X, np.full(6, 0.1)), (np.full(6, 0.1), Y)], ids=str
)
def test_too_few_points_or_no_variance_have_no_correlation(correlation, x, y):
    estimate = correlation(x, y, random())
    assert all(math.isnan(value) for value in (estimate.value, estimate.low, estimate.high))


def test_spearman_sees_order_only():
    x = np.arange(1.0, 9.0)
    assert spearman(x, np.exp(x), random()).value == pytest.approx(1.0)
    assert pearson(x, np.exp(x), random()).value < 0.9


def test_a_resample_draws_as_many_problems_as_there_are():
    draws = resamples(50, random())
    assert (draws.shape, draws.dtype) == ((50, RESAMPLES), np.uint8)
    assert (draws.sum(axis=0) == 50).all()
    assert draws.mean(axis=1) == pytest.approx(np.ones(50), abs=0.15)
    assert np.array_equal(draws, resamples(50, random()))


def slow(values: np.ndarray, draws: np.ndarray) -> tuple[float, float, float]:
    """Mean and interval of the problems that there are, resample by resample."""
    there = ~np.isnan(values)
    means = [np.repeat(values, row)[np.repeat(there, row)].mean() for row in draws.T]
    return values[there].mean(), *np.quantile(means, [0.025, 0.975])


@pytest.fixture
def gaps() -> np.ndarray:
    """Four methods on 30 problems; the third and the fourth each lack some, the last one the most."""
    values = random(3).uniform(size=(4, 30))
    values[2, [0, 5]] = np.nan
    values[3, 4:25] = np.nan
    return values


def test_intervals_equal_those_of_a_slow_computation(gaps):
    draws = resamples(30, random())
    methods = paired(gaps, draws)
    for row in range(4):
        estimate = methods.mean(row)
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(slow(gaps[row], draws), abs=1e-9)
    for first, second in ((0, 1), (0, 2), (2, 3), (3, 2), (1, 1)):
        estimate = methods.difference(first, second)
        expected = slow(gaps[first] - gaps[second], draws)
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(expected, abs=1e-9)


def test_a_large_matrix_is_summed_in_parts(gaps, monkeypatch):
    draws = resamples(30, random())
    whole = paired(gaps, draws)
    monkeypatch.setattr("unlearnbench.evaluation.statistics.BLOCK", 7 * RESAMPLES)
    assert paired(gaps, draws).totals == pytest.approx(whole.totals)


def test_paired_interval_is_near_the_normal_one_and_narrower_than_an_unpaired_one():
    hardness, noise = random(1).normal(0, 1, 500), random(2).normal(0, 0.1, (2, 500))
    values = hardness + noise + np.array([[0.3], [0.25]])
    methods = paired(values, resamples(500, random()))
    estimate, error = methods.difference(0, 1), sem(values[0] - values[1])
    assert estimate.value == pytest.approx((values[0] - values[1]).mean())
    assert estimate.low == pytest.approx(estimate.value - 1.96 * error, abs=0.1 * error)
    assert estimate.high == pytest.approx(estimate.value + 1.96 * error, abs=0.1 * error)
    own = methods.mean(0)
    assert estimate.high - estimate.low < (own.high - own.low) / 5


def test_paired_interval_covers_the_true_difference_as_often_as_it_says():
    pairs, problems = 600, 40
    values = random(5).exponential(1.0, (2 * pairs, problems))  # skewed, and all differences are zero in truth
    methods = paired(values, resamples(problems, random()))
    estimates = [methods.difference(2 * pair, 2 * pair + 1) for pair in range(pairs)]
    covered = np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates])
    assert 0.91 < covered < 0.97  # percentile intervals of 40 values are a little narrow


def test_equal_methods_differ_by_exactly_nothing():
    values = np.tile(random().uniform(size=40), (3, 1))
    values[1, 3] = np.nan
    methods = paired(values, resamples(40, random()))
    assert methods.difference(0, 2) == Estimate(0.0, 0.0, 0.0)
    assert methods.difference(0, 1) == Estimate(0.0, 0.0, 0.0)
    constant = paired(np.full((1, 10), 0.25), resamples(10, random())).mean(0)
    assert constant == Estimate(0.25, 0.25, 0.25)


def test_one_problem_has_no_interval_and_ranks_nobody_below():
    methods = paired(np.array([[0.9], [0.1]]), resamples(1, random()))
    difference = methods.difference(0, 1)
    assert difference.value == pytest.approx(0.8)
    assert math.isnan(difference.low)
    assert math.isnan(difference.high)
    assert shared_ranks(methods, [0, 1]) == [1, 1]


def test_methods_that_cannot_be_told_apart_share_a_rank():
    hardness = random(1).normal(0, 1, 100)
    effects, noise = np.array([0.0, -0.012, -0.032, -0.045, -0.5]), random(2).normal(0, 0.1, (5, 100))
    values = hardness + effects[:, np.newaxis] + noise - noise.mean(axis=1, keepdims=True)
    methods = paired(values, resamples(100, random()))
    low = [[methods.difference(first, second).low for second in range(5)] for first in range(5)]
    # Not transitive: 0 and 1 cannot be told apart, nor 1 and 2, but 0 and 2 can.
    assert low[0][1] < 0
    assert low[1][2] < 0
    assert low[0][2] > 0
    assert low[2][3] < 0
    assert shared_ranks(methods, [0, 1, 2, 3, 4]) == [1, 1, 3, 3, 5]
    assert shared_ranks(methods, [0, 2, 4]) == [1, 2, 3]
    assert shared_ranks(methods, []) == []


def test_methods_are_ranked_on_the_problems_that_both_have():
    values = np.full((3, 20), np.nan)
    values[0, :10] = 0.9  # the easy half only
    values[1] = np.repeat([0.9, 0.1], 10)  # as good as the first where both are
    values[2, 10:] = 0.05  # nothing in common with the first
    assert shared_ranks(paired(values, resamples(20, random())), [0, 1, 2]) == [1, 1, 1]
