"""Search spaces: ranges as Optuna's distributions, points that a search begins with, settings made of points."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from scipy.stats.qmc import Sobol

from unlearnbench.submissions.manifest import Range

GRID_POINTS = 4

Space = Mapping[str, BaseDistribution]
Point = dict[str, Any]


def distribution(values: Range) -> BaseDistribution:
    """The range as Optuna's: whole numbers if both ends are."""
    if values.choices is not None:
        return CategoricalDistribution(values.choices)
    assert values.low is not None, "the manifest was checked"
    assert values.high is not None, "the manifest was checked"
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log)
    return FloatDistribution(float(values.low), float(values.high), log=values.log)


def spread(space: Space, count: int) -> list[Point]:
    """The same shares of the way through each range for all methods: a random start would be a lottery."""
    power = count.bit_length()  # a Sobol sequence is drawn in powers of two; its first point is a corner
    shares = Sobol(len(space), scramble=False).random_base2(power)[1 : count + 1].tolist()
    return [{name: _at(space[name], share) for name, share in zip(space, point, strict=True)} for point in shares]


def grid(space: Space) -> list[Point]:
    """All points of a grid, shuffled: a budget smaller than the grid is spread over it."""
    points = list(itertools.product(*(_points(values) for values in space.values())))
    random.Random(0).shuffle(points)
    return [dict(zip(space, point, strict=True)) for point in points]


def _points(space: BaseDistribution) -> list[Any]:
    """What a grid tries of a range: all choices, or a few numbers from end to end."""
    if isinstance(space, CategoricalDistribution):
        return list(space.choices)
    return sorted({_at(space, point / (GRID_POINTS - 1)) for point in range(GRID_POINTS)})


def _at(space: BaseDistribution, share: float) -> Any:
    """The value at this share, in [0, 1], of the way through a range."""
    if isinstance(space, CategoricalDistribution):
        return space.choices[min(int(share * len(space.choices)), len(space.choices) - 1)]
    assert isinstance(space, IntDistribution | FloatDistribution)
    low, high = space.low, space.high
    number = low * (high / low) ** share if space.log else low + (high - low) * share
    number = min(max(number, low), high)  # a power is not exact, and Optuna refuses what lies outside
    return round(number) if isinstance(space, IntDistribution) else number


def setting(hyperparameters: dict[str, Any], point: Point) -> dict[str, Any]:
    """The hyperparameters at a point, in three digits before they are run: what is printed is what was tried."""
    rounded = {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in point.items()}
    return hyperparameters | rounded


def digest(hyperparameters: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(hyperparameters, sort_keys=True).encode()).hexdigest()[:8]
