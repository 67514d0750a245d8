"""ASSD: Schoepf et al., "Parameter-tuning-free data entry error unlearning with adaptive selective synaptic
dampening", arXiv 2402.10098.

SSD with an adaptive alpha: the percentile 100 - ln(1 + 100 |D_f| / |D|) of all finite ratios I_f / I_D. lambda is 1
(`weight`). One pass, no search. D is D_tr; importances are as in SSD (see `dampening`).

BatchNorm as in SSD. No optimizer, no rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from unlearnbench import Problem, UnlearningMethod

from .dampening import dampen, finite_sorted, importances, percentile, ratios, squared
from .method import cross_entropy


@dataclass(frozen=True)
class ASSD(UnlearningMethod):
    """Dampen a share of the parameters that depends on the size of D_f.

    Args:
        weight: the paper's lambda.
    """

    weight: float = 1.0

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        forget = importances(model, problem.forget, cross_entropy, squared)
        ratio = ratios(forget, importances(model, problem.train, cross_entropy, squared))
        q = 100 - math.log(1 + 100 * len(problem.forget) / len(problem.train))
        dampen(model, ratio, percentile(finite_sorted(ratio), q), self.weight)
        return model.train()
