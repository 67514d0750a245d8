"""The oracle: retraining on clean data, what no method can have (docs/protocol.md, section 5).

Every corrupted sample is left out, whether it was discovered or not, and the recipe of the original is run again.
A reference: it must know all corrupted samples.

BatchNorm: training mode, on clean data. One optimizer, with the rate of the original's training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Oracle(UnlearningMethod):
    """Train a fresh model on D_tr without D_m."""

    def unlearn(self, problem: Problem) -> nn.Module:
        assert problem.corrupted is not None, "submission.toml declares that the corrupted indices are needed"
        clean = torch.ones(len(problem.train), dtype=torch.bool, device=problem.device)
        clean[problem.corrupted.ids] = False
        return problem.train_from_scratch(problem.train.take(clean))
