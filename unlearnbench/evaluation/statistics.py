"""Statistics across trials: pure functions of numbers.

Functions of one sample take one value a trial; a missing value is the caller's to leave out. Methods are compared on
the problems that they share: see `Paired`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]
Draws = NDArray[np.uint8]

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
    from scipy.stats import rankdata  # takes longer to import than the ranked table of a store takes to make

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
    return Estimate(float(statistic(sample)), *_interval(resampled))


@dataclass(frozen=True)
class Paired:
    """Methods on the same problems, and one bootstrap over these problems that all of them share.

    A resample holds the same problems for every method, so that what makes a problem hard for all of them cancels in
    a difference. Problems count as independent. Those of one corruption seed at several discovery rates are not, for
    their discovered sets are nested: intervals are somewhat too narrow.

    values: (methods, problems), nan where a method has no value.
    draws: (problems, RESAMPLES), how often a resample holds a problem.
    totals: (methods, RESAMPLES), the sums over a resample of the values that there are.
    """

    values: Values
    draws: Draws
    totals: Values

    def mean(self, method: int) -> Estimate:
        """The mean of a method and its interval, which needs two problems."""
        missing = np.isnan(self.values[method])
        return self._estimate(self.values[method], self.totals[method], missing)

    def difference(self, first: int, second: int) -> Estimate:
        """The mean difference of two methods on the problems that both have, and its interval, which needs two."""
        differences = self.values[first] - self.values[second]
        missing = np.isnan(differences)
        totals = self.totals[first] - self.totals[second]
        # What only one of them has is in the totals of that one: it is taken out again. It is little.
        alone = np.flatnonzero(missing)
        filled = np.nan_to_num(self.values[first, alone]) - np.nan_to_num(self.values[second, alone])
        return self._estimate(differences, totals - _sums(filled[np.newaxis], self.draws[alone])[0], missing)

    def _estimate(self, values: Values, totals: Values, missing: NDArray[np.bool_]) -> Estimate:
        value = mean(values[~missing])
        if len(values) - missing.sum() < 2:
            return Estimate(value, float("nan"), float("nan"))
        counts = len(self.draws) - self.draws[missing].sum(axis=0, dtype=np.int64)
        # Rounded, so that the difference of methods that are equal everywhere is 0 and not what rounding left of it.
        return Estimate(value, *_interval(np.round(totals[counts > 0] / counts[counts > 0], 12)))


def paired(values: Values, draws: Draws) -> Paired:
    """The bootstrap of (methods, problems) by these `draws` of the problems; nan where a method has no value."""
    return Paired(values, draws, _sums(np.nan_to_num(values), draws))


def _sums(values: Values, draws: Draws) -> Values:
    """Sums over each resample: (methods, problems) by (problems, RESAMPLES), some problems at a time."""
    totals = np.zeros((len(values), RESAMPLES))
    size = max(1, BLOCK // RESAMPLES)
    for start in range(0, len(draws), size):
        block = slice(start, start + size)
        totals += values[:, block] @ draws[block].astype(np.float64)
    return totals


def resamples(problems: int, random: Generator) -> Draws:
    """How often each problem is drawn in each resample with replacement: (problems, RESAMPLES), as bytes.

    A byte is enough: a problem is drawn once in the mean, and over 255 times with a probability under 1e-500.
    """
    draws = np.empty((RESAMPLES, problems), dtype=np.uint8)
    for row in draws:
        row[:] = np.bincount(random.integers(problems, size=problems), minlength=problems)
    return np.ascontiguousarray(draws.T)


def shared_ranks(methods: Paired, order: Sequence[int]) -> list[int]:
    """The rank of each of these methods, which come in the order of their means, the best first.

    Two methods cannot be told apart if the 95% interval of their paired difference includes zero. That relation is
    not transitive: a may not differ from b nor b from c, while a differs from c. So the walk goes down the order: a
    method shares the rank of the first of its group, the leader, unless the interval of leader minus method lies
    above zero. Then it leads the next group, whose rank is 1 + the number of methods before it. A method thus may
    share its rank with one that it differs from, or stand below one that it does not differ from, but never below a
    leader that it does not differ from. Where fewer than two problems are shared, nothing can be told apart.

    Intervals are not widened for the number of methods that are compared.
    """
    ranks: list[int] = []
    leader = 0
    for place, method in enumerate(order):
        if methods.difference(order[leader], method).low > 0:
            leader = place
        ranks.append(1 + leader)
    return ranks


def _interval(resampled: Values) -> tuple[float, float]:
    """The percentile interval of what was resampled; what is undefined is left out."""
    tail = (1 - CONFIDENCE) / 2
    defined = resampled[~np.isnan(resampled)]
    if len(defined) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
