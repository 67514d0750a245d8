"""Named random streams. Each random choice uses its own stream, so that changing one does not affect the others.

A stream is identified by a seed and a path of names. `random_state` uses NumPy's legacy Mersenne Twister, whose output
NumPy guarantees never to change (NEP 19), so a specification draws the same samples on every machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Seeds:
    """The three seeds of a trial: for corruption and discovery, for training the original, and for the method."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    corruption: int
    training: int
    unlearning: int

    @classmethod
    def all(cls, seed: int) -> Seeds:
        return cls(seed, seed, seed)


def _digest(seed: int, names: tuple[str, ...]) -> bytes:
    return hashlib.sha256("/".join((str(seed), *names)).encode()).digest()


def stream(seed: int, *names: str) -> int:
    """A 63-bit seed for a generator of this stream."""
    return int.from_bytes(_digest(seed, names)[:8], "big") >> 1


def random_state(seed: int, *names: str) -> np.random.RandomState:
    """A generator for this stream whose output is the same on every machine and NumPy version."""
    return np.random.RandomState(np.frombuffer(_digest(seed, names), dtype=np.uint32))
