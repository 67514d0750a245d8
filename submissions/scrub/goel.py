"""SCRUB as run by Goel et al. ("Corrective Machine Unlearning", arXiv 2402.14015) and Schoepf et al. (REM).

It differs from SCRUB (`method`) in three points:
- Max passes maximise CE + alpha KD with the labels of D_f. Where alpha is small, the cross-entropy dominates.
- Min passes minimise CE + alpha KD.
- The rate warms up over 1% of the steps, then decays linearly to 21% of the peak.

Two max passes, as results from the authors' loop for every size of D_f that they use; steps on D_f count towards the
total, also as in their loop.

BatchNorm and the optimizer are as in SCRUB: training mode everywhere, one optimizer.

Differences: the authors return the snapshot that is best on test data and select alpha in each cell by an accuracy on
true labels. Here the last model is returned, and alpha is one number.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from unlearnbench import warmup_then_decay

from .method import SCRUB, distillation


@dataclass(frozen=True)
class SCRUBGoel(SCRUB):
    """SCRUB with the cross-entropy of D_f in the max passes."""

    alpha: float = 0.01

    def rate(self, step: int, steps: int) -> float:
        return warmup_then_decay(step, steps)

    def leave_loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        return -self.stay_loss(student, teacher, labels)

    def stay_loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        kept = distillation(student, teacher, self.temperature)
        return functional.cross_entropy(student, labels) + self.alpha * kept
