"""Choice of the corrupted samples that count as discovered."""

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
