"""SSD: Foster et al., "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening", AAAI 2024.

One shot, without training. The importance I[j] of parameter j is the mean over batches of the squared gradient of the
batch's cross-entropy, with the labels of D_tr. I_D is measured on D_tr, I_f on D_f:

    where I_f[j] > alpha I_D[j]:    theta_j <- theta_j min(1, lambda I_D[j] / I_f[j])

D is all of D_tr, as in the authors' code (Goel and REM pass D_r only). `weight` is the paper's lambda.

BatchNorm: evaluation mode. Its running statistics are left unchanged; its scales and shifts are dampened like all other
parameters. No optimizer, no rate.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import Batch, Problem, UnlearningMethod

from .dampening import dampen, importances, ratios, squared


def cross_entropy(logits: Tensor, batch: Batch) -> Tensor:
    return functional.cross_entropy(logits, batch.labels)


@dataclass(frozen=True)
class SSD(UnlearningMethod):
    """Dampen the parameters that matter more to D_f than to D_tr.

    Args:
        alpha: selection threshold on the ratio I_f / I_D.
        weight: the paper's lambda; a smaller value dampens more.
    """

    alpha: float = 10.0
    weight: float = 1.0

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        forget = importances(model, problem.forget, cross_entropy, squared)
        ratio = ratios(forget, importances(model, problem.train, cross_entropy, squared))
        dampen(model, ratio, self.alpha, self.weight)
        return model.train()
