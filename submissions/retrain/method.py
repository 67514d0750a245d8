"""Exact unlearning (EU in Goel et al., "Corrective Machine Unlearning", arXiv 2402.14015).

Not a gold standard while corruption is left in D_r: retraining learns what was not discovered all over again.

BatchNorm: training mode, on D_r. One optimizer, with the rate of the original's training.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Retrain(UnlearningMethod):
    """Train fresh weights on D_r by the original's whole recipe, outside the budget."""

    def unlearn(self, problem: Problem) -> nn.Module:
        return problem.train_from_scratch(problem.retain)
