"""SCRUB as Goel et al., "Corrective Machine Unlearning", arXiv 2402.14015, and the REM paper run it.

It differs from SCRUB (`method`) in what is maximised, CE + alpha KD with the labels that D_f carries, so cross-entropy
dominates where alpha is small; in the descent, CE + alpha KD; and in a constant rate. Their loop gives two max passes
for every size of D_f that they use. The rest, with BatchNorm and the optimizers, is as in SCRUB. There alpha is
picked in each cell by an accuracy on true labels; here it is one number.
"""

from __future__ import annotations

from dataclasses import dataclass

from method import SCRUB, distillation
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class SCRUBGoel(SCRUB):
    """Ascend on the labels of D_f too."""

    alpha: float = 0.1

    def rate(self, rate: float, step: int, steps: int) -> float:
        return rate

    def leave_gain(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        return self.stay_loss(student, teacher, labels)

    def stay_loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        kept = distillation(student, teacher, self.temperature)
        return functional.cross_entropy(student, labels) + self.alpha * kept
