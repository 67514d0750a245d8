"""Statistics across trials: pure functions of one value a trial; a missing value is the caller's to leave out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]

RESAMPLES = 1000
CONFIDENCE = 0.95
FEWEST_POINTS = 3
"""A correlation of two points is always +-1 and says nothing."""


@dataclass(frozen=True)
class Estimate:
    """A statistic and the ends of its bootstrap 95% interval; nan where it is undefined."""

    value: float
    low: float
    high: float


UNDEFINED = Estimate(float("nan"), float("nan"), float("nan"))


def mean(values: Values) -> float:
    """The arithmetic mean; nan of nothing."""
    return float(values.mean()) if len(values) else float("nan")


def sem(values: Values) -> float:
    """Standard error of the mean (ddof=1); nan of fewer than two values."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def bootstrap_mean(values: Values, random: Generator) -> Estimate:
    """The mean and its percentile bootstrap interval; an interval needs two values."""
    if len(values) < 2:
        return Estimate(mean(values), float("nan"), float("nan"))
    return _bootstrap(mean, values, random)


def pearson(x: Values, y: Values, random: Generator) -> Estimate:
    """Linear correlation of pairs; nan of fewer than 3 pairs or where x or y does not vary."""
    return _correlation(_pearson, x, y, random)


def spearman(x: Values, y: Values, random: Generator) -> Estimate:
    """Rank correlation of pairs, ties sharing their mean rank; nan of fewer than 3 pairs or where x or y does not vary.

    Every resample is ranked anew: the ranks of the whole sample are not those of a resample.
    """
    return _correlation(lambda pairs: _pearson(rankdata(pairs, axis=0)), x, y, random)


def _pearson(pairs: Values) -> float:
    """Pearson's r of the rows (x, y); nan where one of them does not vary."""
    # Asked of the values themselves: the deviations from a rounded mean need not be exactly zero.
    if bool((np.ptp(pairs, axis=0) == 0).any()):
        return float("nan")
    x, y = (pairs - pairs.mean(axis=0)).T
    # Rounding can carry a perfect correlation past 1.
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def _correlation(statistic: Callable[[Values], float], x: Values, y: Values, random: Generator) -> Estimate:
    pairs = np.column_stack([x, y]).astype(np.float64)
    if len(pairs) < FEWEST_POINTS or np.isnan(statistic(pairs)):
        return UNDEFINED
    return _bootstrap(statistic, pairs, random)


def _bootstrap(statistic: Callable[[Values], float], sample: Values, random: Generator) -> Estimate:
    """Percentile interval over resamples of the rows; resamples on which the statistic is undefined are left out."""
    # One resample at a time: the memory stays that of the sample, however many trials a store holds.
    count = len(sample)
    resampled = [statistic(sample[random.integers(count, size=count)]) for _ in range(RESAMPLES)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return Estimate(statistic(sample), float(low), float(high))
