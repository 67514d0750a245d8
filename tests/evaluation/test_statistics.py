import math

import numpy as np
import pytest
from scipy import stats

from unlearnbench.evaluation.statistics import bootstrap_mean, mean, pearson, sem, spearman

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
