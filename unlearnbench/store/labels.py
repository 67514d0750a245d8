"""Labels of methods, seeds and problems. They are for people: no code parses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import OriginalSpec, Training

if TYPE_CHECKING:
    import pandas as pd


class Method(NamedTuple):
    """A variant of a submission on one kind of original model: a row of tables, a map of figures."""

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
"""The columns of a frame that identify a method."""


def method_label(
    submission: str, variant: str, original: OriginalSpec | None = None, base: OriginalSpec | None = None
) -> str:
    """Label like `npo`, `npo/digits` or `npo on 25%, tied dropout`.

    The original is named only where it differs from `base`, the suite's first kind; without `base`, never.
    """
    name = submission if variant == "default" else f"{submission}/{variant}"
    if original is None or base is None:
        return name
    parts = [f"{100 * original.capacity:g}%"] if original.capacity != base.capacity else []
    if original.training != base.training:
        parts.append(original.training.replace("-", " "))
    return f"{name} on {', '.join(parts)}" if parts else name


def variant_names(frame: pd.DataFrame) -> list[str]:
    """The label of each row of a frame without its original."""
    return [method_label(*pair) for pair in zip(frame["submission"], frame["variant"], strict=True)]


def original_names(frame: pd.DataFrame) -> list[str]:
    """The kind of original of each row of a frame, like `50% capacity, tied dropout`."""
    return [OriginalSpec(*pair).label for pair in zip(frame["capacity"], frame["training"], strict=True)]


def seed_label(seed: Seeds) -> str:
    """One number where the three seeds are equal, else all three, like `1/2/3`."""
    numbers = (seed.corruption, seed.training, seed.unlearning)
    return str(seed.corruption) if len(set(numbers)) == 1 else "/".join(map(str, numbers))


def problem_label(corruption: str, discovery_rate: float, seed: int) -> str:
    return f"{corruption} at {100 * discovery_rate:g}%, seed {seed}"
