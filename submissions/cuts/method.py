"""CUTS, corrective unlearning in task space: Mozafari et al., "Subtract the Corruption", arXiv 2511.18660.

The original, theta_0, is fine-tuned on the discovered corruption, with the labels that it carries in D_tr, to theta_p.
The difference is the direction in which corruption is learnt; going the other way unlearns it, found or not:

    theta = theta_0 - alpha (theta_p - theta_0)

There the proxy is any small set of corrupted samples; here it is D_f. Written from the paper's summary, its rule to
calibrate alpha was not at hand. Chosen here, by what a submission may see: of a grid that grows by a
factor from 0, the alpha with the best Acc(D_r) (1 - max(Acc(D_f), gamma)), Acc(D_r) measured on a random subset of at
most `selection_samples`. Also chosen here: the fine-tuning takes `passes` over D_f; parameters only are negated.
BatchNorm: frozen, its running statistics stay those of the original.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn, randperm
from torch.nn import functional

from unlearnbench.method import Problem, UnlearningMethod, frozen_batchnorm


@torch.no_grad()
def negated(model: nn.Module, proxy: nn.Module, alpha: float) -> None:
    """Move the model from theta_0 to theta_0 - alpha (theta_p - theta_0), in place."""
    for own, moved in zip(model.parameters(), proxy.parameters(), strict=True):
        own.sub_(alpha * (moved - own))


@dataclass(frozen=True)
class CUTS(UnlearningMethod):
    """Learn the corruption better, then go the other way.

    Args:
        learning_rate: None for the budget's.
        passes: over D_f, of the fine-tuning.
        smallest, growth, tries: the grid of alpha: smallest x growth^k for k = 0 .. tries - 1.
    """

    learning_rate: float | None = None
    passes: int = 10
    smallest: float = 0.1
    growth: float = 1.5
    tries: int = 20
    selection_samples: int = 5000

    def unlearn(self, problem: Problem) -> nn.Module:
        proxy = problem.original()
        optimizer = problem.optimizer(proxy, self.learning_rate)
        with frozen_batchnorm(proxy):
            for _ in range(self.passes):
                for batch in problem.forget.batches():
                    loss = functional.cross_entropy(proxy(batch.images), batch.labels)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
        chosen = randperm(len(problem.retain), generator=problem.generator)[: self.selection_samples]
        sample = problem.retain.take(chosen.to(problem.device))
        best, best_score = problem.original(), 0.0
        for power in range(-1, self.tries):
            model = problem.original()
            negated(model, proxy, 0.0 if power < 0 else self.smallest * self.growth**power)
            remembered = max(problem.accuracy(model, problem.forget), problem.budget.stop_accuracy)
            score = problem.accuracy(model, sample) * (1 - remembered)
            if score > best_score:
                best, best_score = model, score
        return best
