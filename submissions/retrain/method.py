"""Retraining from scratch on D_r (EU, exact unlearning, in Goel et al., arXiv 2402.14015).

It is no gold standard while D_r contains corruption: the new model learns the undiscovered samples again.

BatchNorm: training mode, on D_r. One optimizer, with the rate of the original's training.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Retrain(UnlearningMethod):
    """Retrain from scratch on D_r with the original's full recipe; this does not count towards the budget."""

    def unlearn(self, problem: Problem) -> nn.Module:
        return problem.train_from_scratch(problem.retain)
