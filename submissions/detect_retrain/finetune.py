"""What a practitioner does within a budget: drop what looks like D_f (`method` says how), then fine-tune on the rest.

BatchNorm: evaluation mode in the detection, training mode in the fine-tuning. One optimizer; its rate is that of
fine-tuning in Goel et al. (arXiv 2402.14015): up over 1% of the steps, then linearly down to 21% of its peak.

Chosen here: the detection counts as an evaluation, so all steps of the budget are left for the fine-tuning.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from unlearnbench import Problem, set_rate, warmup_then_decay

from .method import Detection


@dataclass(frozen=True)
class DetectFinetune(Detection):
    """Spend the budget on D_r without the look-alikes of D_f; forgetting is passive.

    Args:
        learning_rate: None for the budget's.
    """

    learning_rate: float | None = None

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        peak, steps = problem.rate(self.learning_rate), problem.budget.steps
        optimizer = problem.optimizer(model, peak)
        for step, batch in enumerate(self.trusted(problem).batches(steps)):
            set_rate(optimizer, peak * warmup_then_decay(step, steps))
            loss = functional.cross_entropy(model(batch.images), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model
