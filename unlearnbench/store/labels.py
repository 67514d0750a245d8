"""What people call a method, a seed, a problem. Labels are made last, for people: no code takes them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import OriginalSpec, Training

if TYPE_CHECKING:
    import pandas as pd


class Method(NamedTuple):
    """A row of every table and figure: a variant of a submission on one kind of original model."""

    submission: str
    variant: str
    capacity: float
    """Active share of the channels of the original."""
    training: Training
    """How the original was trained: `standard` or `tied-dropout`."""

    @property
    def original(self) -> OriginalSpec:
        return OriginalSpec(self.capacity, self.training)


METHOD = list(Method._fields)
"""The columns of a frame that say which method a row is of."""


def method_label(
    submission: str, variant: str, original: OriginalSpec | None = None, base: OriginalSpec | None = None
) -> str:
    """`npo`, `npo/digits`, `npo on 25%, tied dropout`: the original is named where it differs from `base`.

    Args:
        base: the first kind of original of the suite; without it, no original is named.
    """
    name = submission if variant == "default" else f"{submission}/{variant}"
    if original is None or base is None:
        return name
    parts = [f"{100 * original.capacity:g}%"] if original.capacity != base.capacity else []
    if original.training != base.training:
        parts.append(original.training.replace("-", " "))
    return f"{name} on {', '.join(parts)}" if parts else name


def variant_names(frame: pd.DataFrame) -> list[str]:
    """The labels of the rows of a frame without what they start from."""
    return [method_label(*pair) for pair in zip(frame["submission"], frame["variant"], strict=True)]


def original_names(frame: pd.DataFrame) -> list[str]:
    """What the rows of a frame start from, in words: `50% capacity, tied dropout`."""
    return [OriginalSpec(*pair).label for pair in zip(frame["capacity"], frame["training"], strict=True)]


def seed_label(seed: Seeds) -> str:
    """A seed is called by its number, or by its three numbers where they differ."""
    numbers = (seed.corruption, seed.training, seed.unlearning)
    return str(seed.corruption) if len(set(numbers)) == 1 else "/".join(map(str, numbers))


def problem_label(corruption: str, discovery_rate: float, seed: int) -> str:
    return f"{corruption} at {100 * discovery_rate:g}%, seed {seed}"
