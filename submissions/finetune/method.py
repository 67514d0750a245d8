"""Fine-tuning on D_r (catastrophic forgetting, CF, in Goel et al., "Corrective Machine Unlearning", arXiv 2402.14015).

Each step minimises the cross-entropy of a mini-batch of D_r.

BatchNorm: training mode, on D_r. One optimizer. The rate warms up over 1% of the steps, then decays linearly to 21% of
its peak, as in the authors' code.

Differences: the authors return the snapshot that is best on test data and tune how many of the last layers to train.
Here all layers are trained and the last model is returned.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from unlearnbench import Problem, UnlearningMethod, set_rate, warmup_then_decay


@dataclass(frozen=True)
class FineTune(UnlearningMethod):
    """Fine-tune on D_r; forgetting is passive.

    Args:
        learning_rate: peak rate; None takes the budget's.
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
