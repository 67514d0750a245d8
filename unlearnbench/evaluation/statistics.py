"""Statistics across trials: pure functions of one value a trial; a missing value is the caller's to leave out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.floating[Any]]

Statistic = Callable[[Values], Values]
"""From k values a trial, (k, ..., n), to one number a sample, (...)."""

RESAMPLES = 1000
BLOCK = 1_000_000
"""Values resampled at a time: vectorised, and the memory stays bounded however many trials a store holds."""
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
    return _bootstrap(lambda sample: sample[0].mean(axis=-1), values[np.newaxis], random)


def pearson(x: Values, y: Values, random: Generator) -> Estimate:
    """Linear correlation of pairs; nan of fewer than 3 pairs or where x or y does not vary."""
    return _correlation(_pearson, x, y, random)


def spearman(x: Values, y: Values, random: Generator) -> Estimate:
    """Rank correlation of pairs, ties sharing their mean rank; nan of fewer than 3 pairs or where x or y does not vary.

    Every resample is ranked anew: the ranks of the whole sample are not those of a resample.
    """
    return _correlation(lambda pairs: _pearson(rankdata(pairs, axis=-1)), x, y, random)


def _pearson(pairs: Values) -> Values:
    """Pearson's r over the last axis of (2, ..., n); nan where x or y does not vary."""
    deviations = pairs - pairs.mean(axis=-1, keepdims=True)
    # Asked of the values themselves: the deviations from a rounded mean need not be exactly zero.
    varies = (np.ptp(pairs, axis=-1) > 0).all(axis=0)
    products = (deviations[0] * deviations[1]).sum(axis=-1)
    norms = np.sqrt((deviations**2).sum(axis=-1).prod(axis=0))
    # Rounding can carry a perfect correlation past 1.
    return np.where(varies, np.clip(products / np.where(varies, norms, 1.0), -1, 1), np.nan)


def _correlation(statistic: Statistic, x: Values, y: Values, random: Generator) -> Estimate:
    pairs = np.stack([x, y])
    if len(x) < FEWEST_POINTS or np.isnan(statistic(pairs)):
        return UNDEFINED
    return _bootstrap(statistic, pairs, random)


def _bootstrap(statistic: Statistic, sample: Values, random: Generator) -> Estimate:
    """Percentile interval over resamples of (k, n) along n; those on which the statistic is undefined are left out."""
    count = sample.shape[-1]
    rows = max(1, BLOCK // count)
    resampled = np.concatenate(
        [
            statistic(sample[:, random.integers(count, size=(min(rows, RESAMPLES - start), count))])
            for start in range(0, RESAMPLES, rows)
        ]
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return Estimate(float(statistic(sample)), float(low), float(high))
