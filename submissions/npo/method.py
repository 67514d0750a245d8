"""NPO: Zhang et al., "Negative Preference Optimization", arXiv 2404.05868, as Schoepf et al. (REM, arXiv 2505.17730)
carry it over to classification: the loss l of a sample is its cross-entropy with the label it carries in D_tr,

    L = -(2 / beta) mean log sigmoid(beta (l - l_ref)),    weight of each sample's ascent: 2 sigmoid(-beta (l - l_ref)),

1 at the start and falling to 0 as the sample is forgotten. The original paper's beta is 0.1; REM's is 1, taken here.
One pass over D_f is made in any case; before every other its accuracy is measured, and at or under the stop accuracy
the method ends. After each pass the snapshot with the best Acc(D_r) (1 - max(Acc(D_f), gamma)) is kept: wrong labels
on both sides, no clean data.

BatchNorm: training mode in every pass, so its statistics follow D_f. The reference is the original on the same
augmented batch, in training mode too, as in REM's code: the first step's losses are equal. One optimizer, at a constant
rate.

The variant `frozen_batchnorm` is ours, not published: model and reference use and keep the original's statistics. It
shows how much of the method is what BatchNorm sees.

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
    """Mean NPO loss of samples with these cross-entropies [B] under the model and under the reference."""
    return -2 / beta * functional.logsigmoid(beta * (losses - reference)).mean()


@dataclass(frozen=True)
class NPO(UnlearningMethod):
    """Push the losses of D_f above those of the original, until it is forgotten.

    Args:
        learning_rate: None for the budget's.
        frozen: use and keep the original's BatchNorm statistics.
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
