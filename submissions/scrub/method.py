"""SCRUB: Kurmanji et al., "Towards Unbounded Machine Unlearning", NeurIPS 2023, arXiv 2302.09880.

The teacher is the frozen original in evaluation mode; the student starts from it. Let p_T be the softmax at temperature
T and KD = T^2 KL(p_T(teacher) || p_T(student)), averaged over the batch. Each epoch makes

    a max pass over D_f that minimises -KD (without labels), in the first `max_passes` epochs only,
    a min pass over D_r that minimises gamma CE + alpha KD.

Defaults are those of the authors' large-scale notebook: T = 4, gamma = 0.99, alpha = 0.001, two max passes.

BatchNorm: training mode on D_f and on D_r. One optimizer serves both, so momentum carries over from ascent to descent.
The rate is constant (the authors' three epochs end before the first milestone of their decay).

Chosen here: as many epochs as fit in the budget's steps; steps on D_f count too. No snapshot is selected (SCRUB+R
rewinds, but only for privacy).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import Batch, Problem, UnlearningMethod, set_rate


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) for logits [B, classes], averaged over the batch."""
    log_student = functional.log_softmax(student / temperature, dim=1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=1)
    divergence = functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


@dataclass(frozen=True)
class SCRUB(UnlearningMethod):
    """Move away from the teacher on D_f and stay close to it on D_r.

    Args:
        learning_rate: peak rate; None takes the budget's.
        max_passes: number of max passes over D_f.
    """

    learning_rate: float | None = None
    alpha: float = 0.001
    gamma: float = 0.99
    temperature: float = 4.0
    max_passes: int = 2

    def unlearn(self, problem: Problem) -> nn.Module:
        model, teacher = problem.original(), problem.original().eval()
        peak, steps = problem.rate(self.learning_rate), problem.budget.steps
        optimizer = problem.optimizer(model, peak)
        for step, (batch, leave) in enumerate(islice(self.batches(problem), steps)):
            with torch.no_grad():
                taught = teacher(batch.images)
            loss = (self.leave_loss if leave else self.stay_loss)(model(batch.images), taught, batch.labels)
            set_rate(optimizer, peak * self.rate(step, steps))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model

    def batches(self, problem: Problem) -> Iterator[tuple[Batch, bool]]:
        """Batches, epoch after epoch without end, and whether each belongs to a max pass."""
        for epoch in count():
            if epoch < self.max_passes:
                yield from ((batch, True) for batch in problem.forget.batches())
            yield from ((batch, False) for batch in problem.retain.batches())

    def rate(self, step: int, steps: int) -> float:
        """The rate at a step, as a share of the peak."""
        return 1.0

    def leave_loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Loss that a max pass over D_f minimises."""
        return -distillation(student, teacher, self.temperature)

    def stay_loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Loss that a min pass over D_r minimises."""
        kept = distillation(student, teacher, self.temperature)
        return self.gamma * functional.cross_entropy(student, labels) + self.alpha * kept
