"""Catastrophic forgetting (CF in Goel et al., "Corrective Machine Unlearning", arXiv 2402.14015): go on without D_f.

Left open or different between papers, chosen here: all layers are tuned; the rate is constant (Goel: the warm-up and
decay of training, peak 0.025; the REM paper: about constant, 0.005); no choice among snapshots, the last one counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from unlearnbench.method import Problem, UnlearningMethod


@dataclass(frozen=True)
class FineTune(UnlearningMethod):
    """Spend the budget on D_r with a fresh SGD; forgetting is passive. BatchNorm in training mode.

    Args:
        learning_rate: None for the budget's.
    """

    learning_rate: float | None = None

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        optimizer = problem.optimizer(model, self.learning_rate)
        for batch in problem.retain.batches(problem.budget.steps):
            loss = functional.cross_entropy(model(batch.images), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model
