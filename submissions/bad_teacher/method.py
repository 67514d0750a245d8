"""Bad Teacher: Chundawat et al., "Can Bad Teaching Induce Forgetting?", AAAI 2023, arXiv 2205.08096.

Two frozen teachers in evaluation mode: the competent one is the original, the incompetent one has random weights. The
student starts from the original and distils from both, without labels. Its training set is D_f and a random 30% of D_r,
shuffled together. Let u_i = 1 for samples of D_f and 0 otherwise, and let p_r, p_0 and p_s be the softmax outputs of
the incompetent teacher, the competent teacher and the student at temperature 1. The student minimises

    L = mean over samples and classes of KL(u p_r(x) + (1 - u) p_0(x) || p_s(x))

The mean is `kl_div`'s default reduction, as in the authors' code: it also divides by the number of classes. On D_r the
target is the corrupted original, so the method preserves undiscovered corruption by design.

BatchNorm: training mode for the student, on batches that mix D_f and D_r. One optimizer, constant rate.

The variant `goel` follows Goel et al. (arXiv 2402.14015) and Schoepf et al. (REM): all of D_r, with the warm-up and
linear decay of their training.

Chosen here: as many passes as fit in the budget's steps (the authors run one epoch).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import Problem, UnlearningMethod, set_rate, warmup_then_decay


def divergence(student: Tensor, taught: Tensor) -> Tensor:
    """KL(softmax(taught) || softmax(student)) for logits [B, classes], averaged over samples and classes."""
    log_student, log_taught = functional.log_softmax(student, dim=1), functional.log_softmax(taught, dim=1)
    return functional.kl_div(log_student, log_taught, reduction="none", log_target=True).mean()


@dataclass(frozen=True)
class BadTeacher(UnlearningMethod):
    """Distil from a random model on D_f and from the original on D_r.

    Args:
        learning_rate: peak rate; None takes the budget's.
        retained: share of D_r to train on.
        decay: use warm-up and linear decay instead of a constant rate.
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
