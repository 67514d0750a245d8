"""Choice of the found set: the corrupted samples that count as discovered, and clean ones that were taken for such."""

from __future__ import annotations

import numpy as np

from unlearnbench.problems.corruption import Indices
from unlearnbench.problems.streams import random_state


def discover(corrupted: Indices, rate: float, seed: int, *, independent: bool = False) -> Indices:
    """Draw D_f: a fraction `rate` of the corrupted samples, at least one, sorted.

    Sets of the same seed are nested: the set at 20% contains the set at 10%. With `independent`, each rate is drawn
    separately, as in the published code.
    """
    names = ("discovery", f"{rate:.4f}") if independent else ("discovery",)
    order = random_state(seed, *names).permutation(len(corrupted))
    return np.sort(corrupted[order[: max(1, round(rate * len(corrupted)))]])


def false_finds(corrupted: Indices, samples: int, discovered: int, share: float, seed: int) -> Indices:
    """Draw clean samples, so many that they are a fraction `share` of a found set with `discovered` corrupted ones.

    Sets of the same seed are nested.

    Args:
        samples: size of the training set.
    """
    clean = np.setdiff1d(np.arange(samples), corrupted)
    order = random_state(seed, "false finds").permutation(len(clean))
    return clean[order[: false_count(discovered, share)]]


def false_count(discovered: int, share: float) -> int:
    """Number of clean samples that are a fraction `share` of a found set with `discovered` corrupted ones."""
    return round(share / (1 - share) * discovered)
