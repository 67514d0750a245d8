"""l1-sparse: Jia et al., "Model Sparsity Can Simplify Machine Unlearning", NeurIPS 2023, arXiv 2304.04934.

Fine-tunes on D_r with an l1 penalty on all parameters, CE + gamma_e ||theta||_1. The penalty decays linearly from epoch
to epoch: gamma_e = gamma (1 - e / E) for e = 0 .. E - 1.

BatchNorm: training mode, on D_r. One optimizer, constant rate (the authors run ten epochs, which end before their
milestones at epochs 91 and 136). Nothing is pruned at the end.

Chosen here: E is the number of epochs that the budget covers, including a partial last one. gamma is the paper's; in
the code it is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import Problem, UnlearningMethod


def l1_norm(model: nn.Module) -> Tensor:
    return torch.stack([parameter.abs().sum() for parameter in model.parameters()]).sum()


@dataclass(frozen=True)
class L1Sparse(UnlearningMethod):
    """Fine-tune towards sparse weights: small weights hold what only a few samples need.

    Args:
        learning_rate: None takes the budget's.
        gamma: weight of the l1 penalty in the first epoch.
    """

    learning_rate: float | None = None
    gamma: float = 5e-4

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        optimizer = problem.optimizer(model, self.learning_rate)
        steps, per_pass = problem.budget.steps, problem.retain.steps_per_pass
        epochs = -(-steps // per_pass)
        for step, batch in enumerate(problem.retain.batches(steps)):
            gamma = self.gamma * (1 - (step // per_pass) / epochs)
            loss = functional.cross_entropy(model(batch.images), batch.labels) + gamma * l1_norm(model)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model
