"""The oracle: retraining on clean data, which no method has in practice (docs/protocol.md, section 5).

Retrains from scratch with the original's recipe on D_tr without D_m, the corrupted samples, discovered or not. It must
know all corrupted samples, so it serves as a reference.

BatchNorm: training mode, on clean data. One optimizer, with the rate of the original's training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Oracle(UnlearningMethod):
    """Retrain from scratch on D_tr without D_m."""

    def unlearn(self, problem: Problem) -> nn.Module:
        assert problem.corrupted is not None, "submission.toml declares that the corrupted indices are needed"
        clean = torch.ones(len(problem.train), dtype=torch.bool, device=problem.device)
        clean[problem.corrupted.ids] = False
        return problem.train_from_scratch(problem.train.take(clean))
