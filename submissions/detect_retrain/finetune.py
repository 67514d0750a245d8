"""The practitioner's baseline within a budget: drop what looks like D_f (see `method`), then fine-tune on the rest.

BatchNorm: evaluation mode in detection, training mode in fine-tuning. One optimizer. Its rate follows the fine-tuning
of Goel et al. (arXiv 2402.14015): warm-up over 1% of the steps, then linear decay to 21% of the peak.

Chosen here: detection counts as evaluation, so fine-tuning gets all steps of the budget.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from unlearnbench import Problem, set_rate, warmup_then_decay

from .method import Detection


@dataclass(frozen=True)
class DetectFinetune(Detection):
    """Fine-tune on D_r without the look-alikes of D_f; forgetting is passive.

    Args:
        learning_rate: peak rate; None takes the budget's.
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
