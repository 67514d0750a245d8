"""Gradient ascent on D_f, as run by Schoepf et al. (REM, arXiv 2505.17730), in the order of their code.

Each step ascends the cross-entropy of a mini-batch of D_f. Before each pass over D_f, Acc(D_f) is measured; the method
ends once it is at or below the stop accuracy gamma. After each pass the snapshot with the best
Acc(D_r) (1 - max(Acc(D_f), gamma)) is kept. Both accuracies use the labels as trained on, so selection needs no clean
data. If D_f counts as forgotten from the start, the original is returned.

BatchNorm: training mode in every pass, so the running statistics follow D_f. One optimizer, constant rate.

Chosen here: at most `max_passes` passes (the released loop is unbounded); non-finite weights end the method too.
Acc(D_r) is measured on a random subset of at most `selection_samples`, the same one after each pass.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class GradientAscent(UnlearningMethod):
    """Ascend the cross-entropy of D_f until D_f is forgotten.

    Args:
        learning_rate: None takes the budget's.
    """

    learning_rate: float | None = None
    max_passes: int = 100
    selection_samples: int = 5000

    def unlearn(self, problem: Problem) -> nn.Module:
        model, best, best_score = problem.original(), problem.original(), 0.0
        sample = problem.retain.sample(self.selection_samples)
        optimizer = problem.optimizer(model, self.learning_rate)
        for _ in problem.until_forgotten(model, self.max_passes):
            for batch in problem.forget.batches():
                loss = -functional.cross_entropy(model(batch.images), batch.labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            score = problem.selection_score(model, sample)
            if score > best_score:
                best, best_score = deepcopy(model), score
        return best
