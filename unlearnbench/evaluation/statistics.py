"""Statistics across seeds: means, t intervals, differences and ranks (docs/protocol.md, section 3).

The cells of one seed are not independent, because forget sets are nested and originals are shared. They are averaged
first, so that the sample size is the number of seeds. Functions take float64 arrays with one value per seed, where nan
marks a missing value.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit  # the distributions, because scipy.stats takes a second to import

Values = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

CONFIDENCE = 0.95
FEWEST_SEEDS = 3
RESAMPLES = 4000
"""Minimum number of seeds for an interval."""
FEWEST_FOR_RANKS = 8
"""Minimum number of seeds for rank intervals. With fewer they would span nearly the whole table."""
FEWEST_POINTS = 5
"""Minimum number of pairs for a correlation."""

NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A mean over `seeds` seeds with its 95% t interval.

    The ends are nan for fewer than three seeds. They are also nan if all values are equal (`constant`): zero spread in
    a small sample does not mean zero variance.
    """

    value: float
    low: float
    high: float
    seeds: int
    constant: bool = False


@dataclass(frozen=True)
class Difference:
    """The mean difference of two methods with its 95% t interval and its two-sided p-value.

    Attributes:
        seeds: number of pairs, or, if unpaired, the smaller of the two numbers of seeds.
        kind: `paired` (seeds in which both methods started from the same original), `unpaired` (Welch's t-test), or
            `untested` (too few seeds, or a non-zero difference that does not vary).
    """

    value: float
    low: float
    high: float
    p: float
    seeds: int
    kind: Literal["paired", "unpaired", "untested"]


def estimate(values: Values) -> Estimate:
    """Mean and t interval of the values that are not nan."""
    known = _known(values)
    value = _mean(known)
    if len(known) < FEWEST_SEEDS:
        return Estimate(value, NAN, NAN, len(known))
    if _constant(known):
        return Estimate(value, NAN, NAN, len(known), constant=True)
    margin = quantile(len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return Estimate(value, value - margin, value + margin, len(known))


def share_estimate(shares: Values, counts: Values) -> Estimate:
    """Mean of shares, one per seed, with the wider of two 95% intervals: t over the seeds, and Wilson's.

    Wilson's is that of all samples as one: near 0 and 1, where seeds hardly differ, few samples say less than it seems.

    Args:
        shares: float64 [seeds], nan for none.
        counts: float64 [seeds], the samples of each.
    """
    there = ~np.isnan(shares)
    found, size = estimate(shares), float(counts[there].sum())
    if found.seeds < FEWEST_SEEDS:
        return found
    pooled, z = float((shares * counts)[there].sum()) / size, float(ndtri((1 + CONFIDENCE) / 2))
    centre = (pooled + z**2 / (2 * size)) / (1 + z**2 / size)
    margin = z * np.sqrt(pooled * (1 - pooled) / size + z**2 / (4 * size**2)) / (1 + z**2 / size)
    wilson, over_seeds = np.clip([[centre - margin, centre + margin], [found.low, found.high]], 0, 1)
    # The interval over seeds that do not differ is nan, which is wider than nothing.
    low, high = over_seeds if np.ptp(over_seeds) > np.ptp(wilson) else wilson
    return Estimate(found.value, float(low), float(high), found.seeds)


def difference(first: Values, second: Values, same_original: Mask) -> Difference:
    """Difference of the first method minus the second.

    Args:
        first: float64 [seeds].
        second: float64 [seeds].
        same_original: bool [seeds], whether both methods started from the same original. If at least three such seeds
            have both values, only these pairs are used. Otherwise all values are used, unpaired (Welch).
    """
    pairs = same_original & ~np.isnan(first) & ~np.isnan(second)
    if pairs.sum() >= FEWEST_SEEDS:
        return _paired((first - second)[pairs])
    mine, theirs = _known(first), _known(second)
    if min(len(mine), len(theirs)) >= FEWEST_SEEDS:
        return _welch(mine, theirs)
    # Too few values to test: report a difference without an interval, from pairs if there are any.
    if pairs.any():
        return Difference(_mean((first - second)[pairs]), NAN, NAN, NAN, int(pairs.sum()), "untested")
    return Difference(_mean(mine) - _mean(theirs), NAN, NAN, NAN, min(len(mine), len(theirs)), "untested")


def _paired(differences: Values) -> Difference:
    count = len(differences)
    differences = np.round(differences, 12)  # so that equal methods differ by exactly 0
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
    margin = quantile(freedom) * error
    p = 2 * stdtr(freedom, -abs(value) / error)
    return Difference(value, float(value - margin), float(value + margin), float(p), count, kind)


def rank_intervals(values: Values, originals: NDArray[Any]) -> list[tuple[int, int]]:
    """Confidence set of the rank of each method, as (best, worst).

    The best rank is 1 plus the number of significantly better methods, and the worst is the number of methods minus the
    number of significantly worse ones. Significance is tested on the k - 1 differences of each method with Holm's
    correction (the marginal confidence sets of Mogstad, Romano, Shaikh and Wilhelm, "Inference for Ranks", 2024).
    Untested differences are not significant. The caller must leave out methods with fewer than `FEWEST_FOR_RANKS`
    seeds.

    Args:
        values: float64 [methods, seeds].
        originals: [methods, seeds], identifiers of the originals that each method started from.
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
    """Which hypotheses are rejected at a family-wise error rate of 5% (Holm 1979). Those with p = nan are not."""
    rejected = [False] * len(p_values)
    # Untested hypotheses count towards the size of the family, and come last.
    order = sorted(range(len(p_values)), key=lambda index: (np.isnan(p_values[index]), p_values[index]))
    for place, index in enumerate(order):
        if not p_values[index] <= (1 - CONFIDENCE) / (len(p_values) - place):
            break
        rejected[index] = True
    return rejected


Correlation = Literal["pearson", "spearman"]


def correlation(x: Values, y: Values, kind: Correlation) -> float:
    """Pearson's r or Spearman's rho. nan for fewer than five pairs, or if x or y is constant."""
    from scipy.stats import pearsonr, spearmanr

    if len(x) < FEWEST_POINTS or _constant(x) or _constant(y):
        return NAN
    return float((pearsonr if kind == "pearson" else spearmanr)(x, y).statistic)


def resampled_correlation(x: Values, y: Values) -> tuple[float, float]:
    """The 95% interval of Spearman's rho from resampled pairs (percentile bootstrap). nan for fewer than five pairs.

    Resamples in which x or y is constant are left out.
    """
    from scipy.stats import rankdata

    if len(x) < FEWEST_POINTS or _constant(x) or _constant(y):
        return NAN, NAN
    chosen = np.random.RandomState(0).randint(len(x), size=(RESAMPLES, len(x)))
    ranks = [rankdata(values[chosen], axis=1) - (len(x) + 1) / 2 for values in (x, y)]
    spread = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    varied = spread > 0
    rho = (ranks[0] * ranks[1]).sum(axis=1)[varied] / spread[varied]
    low, high = np.quantile(rho, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def correlation_estimate(correlations: Values) -> Estimate:
    """Mean and t interval of correlations, one per seed, computed after Fisher's z-transformation.

    Leaves out seeds whose correlation is nan or perfect (infinite z). `seeds` counts the remaining ones.
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
    """Whether all values are equal up to rounding errors."""
    return bool(np.ptp(values) < 1e-12)


def quantile(freedom: float) -> float:
    """How many standard errors of a mean the end of its 95% interval is away, with these degrees of freedom."""
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
