"""Bad Teacher: Chundawat et al., "Can Bad Teaching Induce Forgetting?", AAAI 2023, arXiv 2205.08096.

No label is used. The competent teacher is the original, the incompetent one a model with random weights, both frozen
and in evaluation mode. With u_i = 1 for samples of D_f and p_r, p_0, p_s the softmax of the incompetent teacher, the
competent one and the student, at temperature 1, the student learns D_f and a random 30% of D_r, shuffled together, on

    L = mean over samples and classes of KL(u p_r(x) + (1 - u) p_0(x) || p_s(x))

(`kl_div` with its default reduction: the divergence of a sample is divided by the number of classes too). On D_r the
target is the corrupted original, so undiscovered corruption is preserved by design.

BatchNorm of the student: training mode; batches mix D_f and D_r. One optimizer, at a constant rate.

The variant `goel` is what Goel et al. (arXiv 2402.14015) and Schoepf et al. (REM) run: all of D_r, and the rate of
their training, warm-up and linear decay.

Chosen here: as many passes as the budget's steps make (the authors: one epoch).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import Problem, UnlearningMethod, set_rate, warmup_then_decay


def divergence(student: Tensor, taught: Tensor) -> Tensor:
    """KL(softmax(taught) || softmax(student)) of logits [B, classes], mean over samples and classes."""
    log_student, log_taught = functional.log_softmax(student, dim=1), functional.log_softmax(taught, dim=1)
    return functional.kl_div(log_student, log_taught, reduction="none", log_target=True).mean()


@dataclass(frozen=True)
class BadTeacher(UnlearningMethod):
    """Learn nonsense on D_f and the original on D_r.

    Args:
        learning_rate: None for the budget's.
        retained: the share of D_r that is learnt.
        decay: warm up to the rate, then let it fall.
    """

    learning_rate: float | None = None
    retained: float = 0.3
    decay: bool = False

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        competent, incompetent = problem.original().eval(), problem.untrained().eval()
        found = torch.zeros(len(problem.train), dtype=torch.bool, device=problem.device)
        found[problem.forget.ids] = True
        kept = problem.retain.sample(int(self.retained * len(problem.retain)))
        learnt = problem.train.take(torch.cat([problem.forget.ids, kept.ids]))
        peak, steps = problem.rate(self.learning_rate), problem.budget.steps
        optimizer = problem.optimizer(model, peak)
        for step, batch in enumerate(learnt.batches(steps)):
            unlearnt = found[batch.ids]
            with torch.no_grad():
                taught = competent(batch.images)
                if unlearnt.any():
                    taught[unlearnt] = incompetent(batch.images[unlearnt])
            loss = divergence(model(batch.images), taught)
            if self.decay:
                set_rate(optimizer, peak * warmup_then_decay(step, steps))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model
