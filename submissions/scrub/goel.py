"""SCRUB as Goel et al. ("Corrective Machine Unlearning", arXiv 2402.14015) and Schoepf et al. (REM) run it.

It differs from SCRUB (`method`) in what is maximised, CE + alpha KD with the labels that D_f carries, so cross-entropy
dominates where alpha is small; in the descent, CE + alpha KD; and in the rate: warm-up over 1% of the steps, then a
linear decay to 21% of the peak. Their loop gives two max passes for every size of D_f that they use, and its steps
over D_f count like all others.

BatchNorm and the optimizer are as in SCRUB: training mode everywhere, one optimizer.

Not repeated: they return the snapshot that is best on test data, and pick alpha in each cell by an accuracy on true
labels; here the last model counts, and alpha is one number.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from unlearnbench import warmup_then_decay

from .method import SCRUB, distillation


@dataclass(frozen=True)
class SCRUBGoel(SCRUB):
    """Ascend on the labels of D_f too."""

    alpha: float = 0.01

    def rate(self, step: int, steps: int) -> float:
        return warmup_then_decay(step, steps)

    def leave_loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        return -self.stay_loss(student, teacher, labels)

    def stay_loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        kept = distillation(student, teacher, self.temperature)
        return functional.cross_entropy(student, labels) + self.alpha * kept
