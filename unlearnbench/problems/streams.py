"""Named random streams: every use of chance has its own, so changing one leaves the others alone.

A stream is addressed by a seed and a path of names. `order` uses NumPy's legacy Mersenne Twister, whose sequences
NumPy guarantees for ever (NEP 19), so that the same specification draws the same samples on every machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Seeds:
    """The three seeds of a trial: which samples are corrupted and discovered, the original, the method's own."""

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
    """A 63-bit seed for a generator of the stream's own."""
    return int.from_bytes(_digest(seed, names)[:8], "big") >> 1


def random_state(seed: int, *names: str) -> np.random.RandomState:
    """The stream as a generator whose sequence is the same on every machine and NumPy version."""
    return np.random.RandomState(np.frombuffer(_digest(seed, names), dtype=np.uint32))
