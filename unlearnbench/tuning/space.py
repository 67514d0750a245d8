"""Search spaces: Optuna distributions, initial points of a search, and grids."""

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
    """Convert a range to an Optuna distribution, of integers if both ends are integers."""
    if values.choices is not None:
        return CategoricalDistribution(values.choices)
    assert values.low is not None, "the manifest was checked"
    assert values.high is not None, "the manifest was checked"
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log)
    return FloatDistribution(float(values.low), float(values.high), log=values.log)


def spread(space: Space, count: int) -> list[Point]:
    """The first points of a Sobol sequence. All methods start from the same relative positions, so none is luckier."""
    power = count.bit_length()  # Sobol sequences are drawn in powers of two. Skip the first point, which is a corner.
    shares = Sobol(len(space), scramble=False).random_base2(power)[1 : count + 1].tolist()
    return [{name: _at(space[name], share) for name, share in zip(space, point, strict=True)} for point in shares]


def grid(space: Space) -> list[Point]:
    """All points of a grid in random order, so that a small budget covers the whole range."""
    points = list(itertools.product(*(_points(values) for values in space.values())))
    random.Random(0).shuffle(points)
    return [dict(zip(space, point, strict=True)) for point in points]


def _points(space: BaseDistribution) -> list[Any]:
    """Grid points of one hyperparameter: all choices, or at most `GRID_POINTS` evenly spaced values."""
    if isinstance(space, CategoricalDistribution):
        return list(space.choices)
    return sorted({_at(space, point / (GRID_POINTS - 1)) for point in range(GRID_POINTS)})


def _at(space: BaseDistribution, share: float) -> Any:
    """The value at relative position `share`, in [0, 1], of a range."""
    if isinstance(space, CategoricalDistribution):
        return space.choices[min(int(share * len(space.choices)), len(space.choices) - 1)]
    assert isinstance(space, IntDistribution | FloatDistribution)
    low, high = space.low, space.high
    number = low * (high / low) ** share if space.log else low + (high - low) * share
    number = min(max(number, low), high)  # Optuna rejects values that rounding puts outside the range
    return round(number) if isinstance(space, IntDistribution) else number


def setting(hyperparameters: dict[str, Any], point: Point) -> dict[str, Any]:
    """Hyperparameters at a point. Values are rounded to three digits before use, so that printed values are exact."""
    rounded = {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in point.items()}
    return hyperparameters | rounded


def digest(hyperparameters: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(hyperparameters, sort_keys=True).encode()).hexdigest()[:8]
