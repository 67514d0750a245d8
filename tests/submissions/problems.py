"""The tiny problem of the proofs whose passes all end with a smaller batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from unlearnbench import Classifier, Problem


def small(
    residual: Callable[..., Problem], *, pretrain: int = 100, corrupted: int | None = None, **changes: Any
) -> Problem:
    """Batches of 12: D_f has two, the second of 4; D_tr four, the last of 8; D_r three, the last of 4.

    After 100 steps the original has memorised D_f, after 30 nothing of it.

    residual: the fixture.
    corrupted: how many of the first samples are D_m.
    """
    problem = residual(samples=44, forget=16, batch_size=12, pretrain=pretrain, **changes)
    new_model = problem.new_model

    def always_the_same() -> Classifier:
        """Fresh weights do not depend on how many models were made before."""
        torch.manual_seed(4)
        return new_model()

    positions = None if corrupted is None else torch.arange(corrupted)
    return replace(problem, new_model=always_the_same, corrupted_positions=positions)
