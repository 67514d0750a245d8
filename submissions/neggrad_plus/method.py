"""NegGrad+: Kurmanji et al., "Towards Unbounded Machine Unlearning", NeurIPS 2023, arXiv 2302.09880, as the code of RUM
runs it (Zhao et al., "What Makes Unlearning Hard and What to Do About It", NeurIPS 2024, arXiv 2406.01257).

Descent on D_r and ascent on D_f, with the labels that both carry, in one step:

    alpha CE(batch of D_r) - (1 - alpha) CE(batch of D_f),    both of them means.

A pass goes once over D_r. Beside it the batches of D_f are repeated: drawn anew for each pass, and within it the very
same ones again, order and augmentation too. alpha is that of RUM's released runs for samples of middle memorisation.

BatchNorm: training mode; each batch is normalised by its own statistics, and the running ones take in the batch of D_r,
then that of D_f. One optimizer, at a constant rate: the authors' 5 to 10 passes end before the first milestone of their
decay.

Chosen here: a pair of batches is one step of the budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

from torch import nn
from torch.nn import functional

from unlearnbench import Batch, Problem, UnlearningMethod


def pairs(problem: Problem) -> Iterator[tuple[Batch, Batch]]:
    """A batch of D_r and one of D_f, pass after pass over D_r."""
    while True:
        yield from zip(problem.retain.batches(), cycle(problem.forget.batches()), strict=False)


@dataclass(frozen=True)
class NegGradPlus(UnlearningMethod):
    """Go down on D_r and up on D_f at once.

    Args:
        learning_rate: None for the budget's.
        alpha: the weight of D_r; D_f has the rest.
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
