"""Which of the corrupted samples were discovered."""

from __future__ import annotations

import numpy as np

from unlearnbench.problems.corruption import Indices
from unlearnbench.problems.streams import random_state


def discover(corrupted: Indices, rate: float, seed: int, *, independent: bool = False) -> Indices:
    """D_f: a `rate` share of the corrupted samples, at least one, sorted.

    The sets of one seed are nested: what is found at 10% is found at 20%. `independent` draws each rate anew, as
    published code does.
    """
    names = ("discovery", f"{rate:.4f}") if independent else ("discovery",)
    order = random_state(seed, *names).permutation(len(corrupted))
    return np.sort(corrupted[order[: max(1, round(rate * len(corrupted)))]])
