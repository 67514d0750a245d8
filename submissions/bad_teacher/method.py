"""Bad Teacher: Chundawat et al., "Can Bad Teaching Induce Forgetting?", AAAI 2023, arXiv 2205.08096.

No label is used. The competent teacher is the original, the incompetent one a model with random weights, both frozen
and in evaluation mode. With u_i = 1 for samples of D_f and p_r, p_0, p_s the softmax of the incompetent teacher, the
competent one and the student, at temperature 1, batch mean:

    L = mean_i KL(u_i p_r(x_i) + (1 - u_i) p_0(x_i) || p_s(x_i))

Left open or different between papers, chosen here: the budget's steps over the whole of D_tr, as Goel et al. do (the
original: one epoch over D_f and 30% of D_r, Adam 1e-4), at the budget's constant rate; each teacher sees only the
samples that it teaches. On D_r the target is the corrupted original, so undiscovered corruption is preserved by
design. BatchNorm of the student: training mode, batches are of D_tr.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench.method import Problem, UnlearningMethod


def divergence(student: Tensor, taught: Tensor) -> Tensor:
    """KL(softmax(taught) || softmax(student)) of logits [B, classes], batch mean."""
    log_student, log_taught = functional.log_softmax(student, dim=1), functional.log_softmax(taught, dim=1)
    return functional.kl_div(log_student, log_taught, reduction="batchmean", log_target=True)


@dataclass(frozen=True)
class BadTeacher(UnlearningMethod):
    """Learn nonsense on D_f and the original on D_r.

    Args:
        learning_rate: None for the budget's.
    """

    learning_rate: float | None = None

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        competent, incompetent = problem.original().eval(), problem.untrained().eval()
        found = torch.zeros(len(problem.train), dtype=torch.bool, device=problem.device)
        found[problem.forget.ids] = True
        optimizer = problem.optimizer(model, self.learning_rate)
        for batch in problem.train.batches(problem.budget.steps):
            unlearnt = found[batch.ids]
            with torch.no_grad():
                taught = competent(batch.images)
                if unlearnt.any():
                    taught[unlearnt] = incompetent(batch.images[unlearnt])
            loss = divergence(model(batch.images), taught)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model
