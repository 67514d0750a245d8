"""Catastrophic forgetting (CF in Goel et al., "Corrective Machine Unlearning", arXiv 2402.14015): go on without D_f.

BatchNorm: training mode, on D_r. One optimizer; as there, the rate warms up over 1% of the steps, then falls linearly
to 21% of its peak.

Not repeated: they choose the snapshot that is best on test data, and how many of the last layers are tuned; here all
layers are, and the last model counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from unlearnbench import Problem, UnlearningMethod, set_rate, warmup_then_decay


@dataclass(frozen=True)
class FineTune(UnlearningMethod):
    """Spend the budget on D_r; forgetting is passive.

    Args:
        learning_rate: None for the budget's.
    """

    learning_rate: float | None = None

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        peak, steps = problem.rate(self.learning_rate), problem.budget.steps
        optimizer = problem.optimizer(model, peak)
        for step, batch in enumerate(problem.retain.batches(steps)):
            set_rate(optimizer, peak * warmup_then_decay(step, steps))
            loss = functional.cross_entropy(model(batch.images), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model
