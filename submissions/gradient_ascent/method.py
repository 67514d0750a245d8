"""Gradient ascent on D_f, with the stop rule and snapshots of Schoepf et al. (REM), arXiv 2505.17730.

Before each pass over D_f its accuracy is measured; at or under the stop accuracy the method ends. After each pass
the snapshot with the best Acc(D_r) (1 - max(Acc(D_f), gamma)) is kept: wrong labels on both sides, no clean data.

Left open by the paper, chosen here: BatchNorm is frozen (D_f alone would overwrite its statistics); at most
`max_passes` passes; weights that are not finite end the method; the original is the first candidate snapshot; Acc(D_r)
is measured on a random subset of at most `selection_samples`, the same one after each pass; no gradient clipping.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from torch import nn, randperm
from torch.nn import functional

from unlearnbench.method import Problem, UnlearningMethod, frozen_batchnorm, is_finite


@dataclass(frozen=True)
class GradientAscent(UnlearningMethod):
    """Raise the cross-entropy of D_f until it is forgotten.

    Args:
        learning_rate: None for the budget's.
    """

    learning_rate: float | None = None
    max_passes: int = 100
    selection_samples: int = 5000

    def unlearn(self, problem: Problem) -> nn.Module:
        model, best, best_score = problem.original(), problem.original(), 0.0
        gamma = problem.budget.stop_accuracy
        if problem.accuracy(model, problem.forget) <= gamma:
            return model
        chosen = randperm(len(problem.retain), generator=problem.generator)[: self.selection_samples]
        sample = problem.retain.take(chosen.to(problem.device))
        optimizer = problem.optimizer(model, self.learning_rate)
        for _ in range(self.max_passes):
            with frozen_batchnorm(model):
                for batch in problem.forget.batches():
                    loss = -functional.cross_entropy(model(batch.images), batch.labels)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            if not is_finite(model):
                break
            remembered = problem.accuracy(model, problem.forget)
            score = problem.accuracy(model, sample) * (1 - max(remembered, gamma))
            if score > best_score:
                best, best_score = deepcopy(model), score
            if remembered <= gamma:
                break
        return best
