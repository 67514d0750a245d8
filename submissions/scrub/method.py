"""SCRUB: Kurmanji et al., "Towards Unbounded Machine Unlearning", NeurIPS 2023, arXiv 2302.09880.

The student starts from the teacher, the frozen original in evaluation mode. With KD = T^2 KL(p_T(teacher) || p_T(
student)), p_T the softmax at temperature T, batch mean, each epoch makes, while it is among the first `max_passes`,

    a pass over D_f that minimises -KD (no label is used), then a pass over D_r on gamma CE + alpha KD.

Defaults are the paper's large-scale ones: T = 4, gamma = 0.99, alpha = 0.001, two max passes. Chosen here: the
epochs are as many as the budget's steps over D_r allow, passes over D_f cost none of them; the rate is the budget's,
ten times smaller in the last third (there: after epochs 3, 5 and 9 of its own schedule); each pass over D_f has an
optimizer of its own, where the original shares one with the descent, so no momentum of the ascent leaks into it.
BatchNorm: frozen on D_f, in training mode on D_r. Snapshots are not chosen (SCRUB+R rewinds, for privacy only).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench.method import Batch, Classifier, Problem, UnlearningMethod, frozen_batchnorm


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) of logits [B, classes], batch mean."""
    log_student = functional.log_softmax(student / temperature, dim=1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=1)
    divergence = functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


@dataclass(frozen=True)
class SCRUB(UnlearningMethod):
    """Leave the teacher on D_f, stay with it on D_r.

    Args:
        learning_rate: None for the budget's.
        max_passes: passes over D_f.
    """

    learning_rate: float | None = None
    alpha: float = 0.001
    gamma: float = 0.99
    temperature: float = 4.0
    max_passes: int = 2

    def unlearn(self, problem: Problem) -> nn.Module:
        model, teacher = problem.original(), problem.original().eval()
        rate = self.learning_rate or problem.budget.learning_rate
        descent = problem.optimizer(model, rate)
        per_pass = -(-len(problem.retain) // problem.budget.batch_size)
        for step, batch in enumerate(problem.retain.batches(problem.budget.steps)):
            if step % per_pass == 0 and step // per_pass < self.max_passes:
                self.leave(problem, model, teacher, rate)
            for group in descent.param_groups:
                group["lr"] = self.rate(rate, step, problem.budget.steps)
            loss = self.stay_loss(model(batch.images), self.taught(teacher, batch), batch.labels)
            descent.zero_grad()
            loss.backward()
            descent.step()
        return model

    def leave(self, problem: Problem, model: Classifier, teacher: Classifier, rate: float) -> None:
        """One max pass over D_f."""
        ascent = problem.optimizer(model, rate)
        with frozen_batchnorm(model):
            for batch in problem.forget.batches():
                loss = -self.leave_gain(model(batch.images), self.taught(teacher, batch), batch.labels)
                ascent.zero_grad()
                loss.backward()
                ascent.step()

    def taught(self, teacher: Classifier, batch: Batch) -> Tensor:
        with torch.no_grad():
            return teacher(batch.images)

    def rate(self, rate: float, step: int, steps: int) -> float:
        return rate if step < 2 / 3 * steps else rate / 10

    def leave_gain(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """What a max pass maximises."""
        return distillation(student, teacher, self.temperature)

    def stay_loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """What a pass over D_r minimises."""
        kept = distillation(student, teacher, self.temperature)
        return self.gamma * functional.cross_entropy(student, labels) + self.alpha * kept
