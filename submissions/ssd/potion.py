"""Potion: Schoepf et al., "Potion: Towards Poison Unlearning", arXiv 2406.09173 (XALFSSD with its search).

Importances are those of LFSSD, but for mean_i ||f(x_i)||_2, not squared, which gives outliers less weight. Dampening is
that of ASSD, with lambda 1, at the percentile 100 - ln(1 + 100 s). The search starts at s = (|D_f| / |D_tr|) / 25 and
multiplies s by 1.1 after each try. Each try dampens the original. The search stops once Acc(D_f) is at most rho times
that of the original; after `max_tries` the last try is returned. D is D_r, as in the authors' code. Labels are only
used to measure Acc(D_f).

The variant `rem_search` is the search of Schoepf et al. (REM): it starts at |D_f| / |D_tr|, makes at most 50 tries, and
also stops at the budget's stop accuracy.

BatchNorm as in SSD. No optimizer, no rate.

Chosen here: Acc(D_f) is measured without augmentation. Importances are computed once, and ratios are sorted once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from unlearnbench import Batch, Problem, UnlearningMethod

from .dampening import dampen, finite_sorted, importances, percentile, ratios


def norm(logits: Tensor, batch: Batch) -> Tensor:
    return logits.square().sum(dim=1).sqrt().mean()


@dataclass(frozen=True)
class Potion(UnlearningMethod):
    """Dampen more and more parameters until D_f is forgotten.

    Args:
        rho: D_f counts as forgotten at this share of the original's Acc(D_f).
        growth: factor on s after each try.
        start: first s, as a multiple of |D_f| / |D_tr|.
        stop: also stop at the budget's stop accuracy.
    """

    rho: float = 0.2
    growth: float = 1.1
    max_tries: int = 500
    start: float = 1 / 25
    stop: bool = False

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        forget = importances(model, problem.forget, norm, abs)
        ratio = ratios(forget, importances(model, problem.retain, norm, abs))
        ordered = finite_sorted(ratio)
        goal = self.rho * problem.accuracy(model, problem.forget)
        if self.stop:
            goal = max(goal, problem.budget.stop_accuracy)
        share = len(problem.forget) / len(problem.train) * self.start
        for _ in range(self.max_tries):
            model = problem.original()
            q = max(0.0, 100 - math.log(1 + 100 * share))
            dampen(model, ratio, percentile(ordered, q), 1.0)
            if problem.accuracy(model, problem.forget) <= goal:
                break
            share *= self.growth
        return model
