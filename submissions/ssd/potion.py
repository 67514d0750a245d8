"""Potion: Schoepf et al., "Potion: Towards Poison Unlearning", arXiv 2406.09173 (XALFSSD with its search).

Importances as in LFSSD, but of mean_i ||f(x_i)||_2, not squared, which outliers weigh on less. Dampening is that of
ASSD, lambda 1, at the percentile 100 - ln(1 + 100 s), and s is searched: from (|D_f| / |D_tr|) / 25, times 1.1 a try,
each try from the original, until Acc(D_f) is at or under rho times that of the original. After `max_tries` the last
try is returned. D is D_r, as in the authors' code. Labels are used by the test of Acc(D_f) only.

The variant `rem_search` is the search as Schoepf et al. (REM) run it: from |D_f| / |D_tr|, 50 tries at most, and D_f
also counts as forgotten at the stop accuracy of the budget.

Chosen here: Acc(D_f) is measured without augmentation; importances are computed once and ratios sorted once.

BatchNorm as in SSD; no optimizer, no rate.
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
        rho: share of the original's Acc(D_f) at which D_f counts as forgotten.
        growth: factor on s from try to try.
        start: the first s is |D_f| / |D_tr| times this.
        stop: whether the budget's stop accuracy is enough.
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
