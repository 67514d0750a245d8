"""LFSSD: Foster et al., "Loss-Free Machine Unlearning", arXiv 2402.19308: SSD without labels and without a loss.

The importance of a parameter is the mean over batches of the absolute gradient of mean_i ||f(x_i)||_2^2, where f are
the logits. Selection and dampening are SSD's, with the same alpha and lambda (`weight`).

BatchNorm as in SSD. No optimizer, no rate.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from unlearnbench import Batch, Problem, UnlearningMethod

from .dampening import dampen, importances, ratios


def squared_norm(logits: Tensor, batch: Batch) -> Tensor:
    return logits.square().sum(dim=1).mean()


@dataclass(frozen=True)
class LFSSD(UnlearningMethod):
    """Dampen the parameters that the outputs on D_f are more sensitive to than those on D_tr.

    Args:
        alpha: selection threshold on the ratio I_f / I_D.
        weight: the paper's lambda.
    """

    alpha: float = 10.0
    weight: float = 1.0

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        forget = importances(model, problem.forget, squared_norm, abs)
        dampen(model, ratios(forget, importances(model, problem.train, squared_norm, abs)), self.alpha, self.weight)
        return model.train()
