"""NegGrad+: Kurmanji et al., "Towards Unbounded Machine Unlearning", NeurIPS 2023, arXiv 2302.09880, as in RUM's code
(Zhao et al., "What Makes Unlearning Hard and What to Do About It", NeurIPS 2024, arXiv 2406.01257).

Each step combines descent on D_r with ascent on D_f, both with the labels as trained on:

    alpha CE(batch of D_r) - (1 - alpha) CE(batch of D_f),    both batch means.

One pass covers D_r once. The batches of D_f are drawn anew for each pass and replayed within it, in the same order and
with the same augmentation. alpha is the value of RUM's released runs for samples of medium memorisation.

BatchNorm: training mode. Each batch is normalised by its own statistics; the running statistics take in the batch of
D_r, then that of D_f. One optimizer, constant rate (the authors' 5 to 10 epochs end before the first milestone of their
decay).

Chosen here: a pair of batches counts as one step of the budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

from torch import nn
from torch.nn import functional

from unlearnbench import Batch, Problem, UnlearningMethod


def pairs(problem: Problem) -> Iterator[tuple[Batch, Batch]]:
    """Pairs of a batch of D_r and one of D_f, pass after pass over D_r, without end."""
    while True:
        yield from zip(problem.retain.batches(), cycle(problem.forget.batches()), strict=False)


@dataclass(frozen=True)
class NegGradPlus(UnlearningMethod):
    """Descend on D_r and ascend on D_f in the same step.

    Args:
        learning_rate: None takes the budget's.
        alpha: weight of D_r; D_f gets 1 - alpha.
    """

    learning_rate: float | None = None
    alpha: float = 0.97

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        optimizer = problem.optimizer(model, self.learning_rate)
        for kept, found in islice(pairs(problem), problem.budget.steps):
            stay = functional.cross_entropy(model(kept.images), kept.labels)
            leave = functional.cross_entropy(model(found.images), found.labels)
            loss = self.alpha * stay - (1 - self.alpha) * leave
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model
