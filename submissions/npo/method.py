"""NPO: Zhang et al., "Negative Preference Optimization", arXiv 2404.05868, adapted to classification by Schoepf et al.
(REM, arXiv 2505.17730).

Let l be the cross-entropy of a sample with its label in D_tr, and l_ref the same under the reference, the original.
Each step minimises, on a mini-batch of D_f,

    L = -(2 / beta) mean log sigmoid(beta (l - l_ref)).

This is gradient ascent with the weight 2 sigmoid(-beta (l - l_ref)) on each sample. The weight is 1 at the start and
falls to 0 as the sample is forgotten. The original paper uses beta = 0.1; the default here is REM's, beta = 1.

The first pass over D_f is always made. Before every later pass Acc(D_f) is measured; the method ends once it is at or
below the stop accuracy gamma. After each pass the snapshot with the best Acc(D_r) (1 - max(Acc(D_f), gamma)) is kept.
Both accuracies use the labels as trained on, so selection needs no clean data.

BatchNorm: training mode in every pass, so the running statistics follow D_f. The reference sees the same augmented
batch, also in training mode, as in REM's code; at the first step both losses are equal. One optimizer, constant rate.

The variant `frozen_batchnorm` is ours, not published: model and reference use the original's running statistics and
leave them unchanged. It shows how much of the method's effect comes from BatchNorm.

Chosen here: Acc(D_r) is measured on a random subset of at most `selection_samples`, the same one after each pass.
"""

from __future__ import annotations

from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor, nn, no_grad
from torch.nn import functional

from unlearnbench import Problem, UnlearningMethod, frozen_batchnorm


def preference_loss(losses: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Mean NPO loss, from the cross-entropies [B] of a batch under the model and under the reference."""
    return -2 / beta * functional.logsigmoid(beta * (losses - reference)).mean()


@dataclass(frozen=True)
class NPO(UnlearningMethod):
    """Raise the loss of D_f above the original's until D_f is forgotten.

    Args:
        learning_rate: None takes the budget's.
        frozen: use the original's BatchNorm running statistics and leave them unchanged.
    """

    learning_rate: float | None = None
    beta: float = 1.0
    max_passes: int = 10
    selection_samples: int = 5000
    frozen: bool = False

    def unlearn(self, problem: Problem) -> nn.Module:
        model, reference = problem.original(), problem.original()
        best, best_score = problem.original(), 0.0
        sample = problem.retain.sample(self.selection_samples)
        optimizer = problem.optimizer(model, self.learning_rate)
        for _ in problem.until_forgotten(model, self.max_passes, min_passes=1):
            with ExitStack() as stack:
                for network in (model, reference) if self.frozen else ():
                    stack.enter_context(frozen_batchnorm(network))
                for batch in problem.forget.batches():
                    with no_grad():
                        before = functional.cross_entropy(reference(batch.images), batch.labels, reduction="none")
                    losses = functional.cross_entropy(model(batch.images), batch.labels, reduction="none")
                    loss = preference_loss(losses, before, self.beta)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            score = problem.selection_score(model, sample)
            if score > best_score:
                best, best_score = deepcopy(model), score
        return best
