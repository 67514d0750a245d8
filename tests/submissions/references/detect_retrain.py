"""Retraining on what `detection` leaves."""

from __future__ import annotations

from dataclasses import replace

import torch

from tests.submissions.proof import Trace
from tests.submissions.references import detection, retrain
from unlearnbench import Problem


def without(problem: Problem, kept: list[int]) -> Problem:
    """The problem whose D_r is these samples: the others count as found."""
    positions = [i for i in range(len(problem.train)) if i not in set(kept)]
    return replace(problem, forget_positions=torch.tensor(positions))


def reference(problem: Problem, components: int, price: float, largest: float) -> Trace:
    return retrain.reference(without(problem, detection.trusted(problem, components, price, largest)))
