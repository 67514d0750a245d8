"""Statistics across seeds (docs/protocol.md, section 3): one number a seed, and t intervals of these numbers.

Each whole seed gives one board. Its cells are not independent (nested forget sets, one set of weights), so they are
averaged first, and only the seeds count. All functions are pure and take float64 arrays of one value a seed; nan is a
seed without one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit  # the t distribution; scipy.stats takes a second to import

Values = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

CONFIDENCE = 0.95
FEWEST_SEEDS = 3
"""Of fewer there is no interval."""
FEWEST_FOR_RANKS = 8
"""Of fewer there are no ranks: they would span nearly the whole table."""
FEWEST_POINTS = 5
"""Of fewer there is no correlation."""

NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A mean over `seeds` seeds with the ends of its 95% t interval.

    The ends are nan of fewer than three seeds, and where all seeds gave the same number (`constant`): a spread of zero
    says that it was not measured, not that there is none.
    """

    value: float
    low: float
    high: float
    seeds: int
    constant: bool = False


@dataclass(frozen=True)
class Difference:
    """The mean difference of two methods with the ends of its 95% t interval, and the p value of its being zero.

    Attributes:
        seeds: how many pairs it rests on; of an unpaired one, how many seeds the method with fewer of them has.
        kind: `paired` over seeds in which both started from the same original, `unpaired` (Welch's t), or `untested`:
            too few seeds, or a difference that is the same in every seed and not zero.
    """

    value: float
    low: float
    high: float
    p: float
    seeds: int
    kind: Literal["paired", "unpaired", "untested"]


def estimate(values: Values) -> Estimate:
    """The mean of the seeds that have a value, and its t interval."""
    known = _known(values)
    value = _mean(known)
    if len(known) < FEWEST_SEEDS:
        return Estimate(value, NAN, NAN, len(known))
    if _constant(known):
        return Estimate(value, NAN, NAN, len(known), constant=True)
    margin = _quantile(len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return Estimate(value, value - margin, value + margin, len(known))


def difference(first: Values, second: Values, same_original: Mask) -> Difference:
    """The first method minus the second, seed by seed.

    Args:
        same_original: bool [seeds], whether both started from the same original in a seed. If at least three such seeds
            have both values, these pairs are used and nothing else; otherwise all values, unpaired (Welch).
    """
    pairs = same_original & ~np.isnan(first) & ~np.isnan(second)
    if pairs.sum() >= FEWEST_SEEDS:
        return _paired((first - second)[pairs])
    mine, theirs = _known(first), _known(second)
    if min(len(mine), len(theirs)) >= FEWEST_SEEDS:
        return _welch(mine, theirs)
    # A difference is shown where there is one; pairs say more than means over different seeds.
    if pairs.any():
        return Difference(_mean((first - second)[pairs]), NAN, NAN, NAN, int(pairs.sum()), "untested")
    return Difference(_mean(mine) - _mean(theirs), NAN, NAN, NAN, min(len(mine), len(theirs)), "untested")


def _paired(differences: Values) -> Difference:
    count = len(differences)
    differences = np.round(differences, 12)  # methods that are equal differ by 0, not by what rounding left
    value = _mean(differences)
    if _constant(differences):
        if value == 0:
            return Difference(0.0, 0.0, 0.0, 1.0, count, "paired")
        return Difference(value, NAN, NAN, NAN, count, "untested")
    return _tested(value, differences.std(ddof=1) / np.sqrt(count), count - 1, count, "paired")


def _welch(mine: Values, theirs: Values) -> Difference:
    value, count = _mean(mine) - _mean(theirs), min(len(mine), len(theirs))
    if _constant(mine) and _constant(theirs):
        if abs(value) < 1e-12:
            return Difference(0.0, 0.0, 0.0, 1.0, count, "unpaired")
        return Difference(value, NAN, NAN, NAN, count, "untested")
    parts = [sample.var(ddof=1) / len(sample) for sample in (mine, theirs)]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(sample) - 1) for part, sample in zip(parts, (mine, theirs), strict=True)
    )
    return _tested(value, np.sqrt(sum(parts)), freedom, count, "unpaired")


def _tested(value: float, error: float, freedom: float, count: int, kind: Literal["paired", "unpaired"]) -> Difference:
    margin = _quantile(freedom) * error
    p = 2 * stdtr(freedom, -abs(value) / error)
    return Difference(value, float(value - margin), float(value + margin), float(p), count, kind)


def rank_intervals(values: Values, originals: NDArray[Any]) -> list[tuple[int, int]]:
    """The best and the worst rank that each method can have.

    From a method's own k - 1 differences, their p values adjusted by Holm: as many ranks stand above it as methods are
    better, and below it as are worse (the marginal sets of Mogstad, Romano, Shaikh and Wilhelm, "Inference for Ranks",
    2024). A difference that was not tested separates nothing. Methods of fewer than `FEWEST_FOR_RANKS` seeds are the
    caller's to leave out.

    Args:
        values: float64 [methods, seeds].
        originals: [methods, seeds], what a method started from in a seed; equal entries are the same original.
    """
    count = len(values)
    p_values, signs = np.full((count, count), NAN), np.zeros((count, count))
    for a, b in itertools.combinations(range(count), 2):
        found = difference(values[a], values[b], originals[a] == originals[b])
        p_values[a, b] = p_values[b, a] = found.p
        signs[a, b], signs[b, a] = np.sign(found.value), -np.sign(found.value)
    ranks = []
    for a in range(count):
        others = np.arange(count) != a
        apart = signs[a, others][_holm(p_values[a, others].tolist())]
        better, worse = int((apart < 0).sum()), int((apart > 0).sum())
        ranks.append((1 + better, count - worse))
    return ranks


def _holm(p_values: list[float]) -> list[bool]:
    """Which of these hypotheses are rejected at 5% in all (Holm 1979); one that was not tested is not."""
    rejected = [False] * len(p_values)
    # One that was not tested counts in the family: it comes last.
    order = sorted(range(len(p_values)), key=lambda index: (np.isnan(p_values[index]), p_values[index]))
    for place, index in enumerate(order):
        if not p_values[index] <= (1 - CONFIDENCE) / (len(p_values) - place):
            break
        rejected[index] = True
    return rejected


Correlation = Literal["pearson", "spearman"]


def correlation(x: Values, y: Values, kind: Correlation) -> float:
    """Pearson's r or Spearman's rho of pairs; nan of fewer than five, or where x or y does not vary."""
    from scipy.stats import pearsonr, spearmanr

    if len(x) < FEWEST_POINTS or _constant(x) or _constant(y):
        return NAN
    return float((pearsonr if kind == "pearson" else spearmanr)(x, y).statistic)


def correlation_estimate(correlations: Values) -> Estimate:
    """The mean of one correlation a seed, and its interval, by Fisher's z.

    A seed without a correlation, or with a perfect one (whose z is infinite), is left out; `seeds` counts the others.
    """
    z = np.arctanh(correlations[np.abs(np.nan_to_num(correlations, nan=1.0)) < 1 - 1e-12])
    of_z = estimate(z)
    value, low, high = np.tanh([of_z.value, of_z.low, of_z.high])
    return Estimate(float(value), float(low), float(high), of_z.seeds, of_z.constant)


def _known(values: Values) -> Values:
    return values[~np.isnan(values)]


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else NAN


def _constant(values: Values) -> bool:
    """Whether nothing varies but the last digits that sums leave."""
    return bool(np.ptp(values) < 1e-12)


def _quantile(freedom: float) -> float:
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
