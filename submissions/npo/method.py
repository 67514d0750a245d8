"""NPO: Zhang et al., "Negative Preference Optimization", arXiv 2404.05868, as Schoepf et al. (REM, arXiv 2505.17730)
carry it over to classification: the loss l of a sample is its cross-entropy with the label it carries in D_tr,

    L = -(2 / beta) mean log sigmoid(beta (l - l_ref)),    weight of each sample's ascent: 2 sigmoid(-beta (l - l_ref)),

1 at the start and falling to 0 as the sample is forgotten. The original paper's beta is 0.1; REM's is 1, taken here.
Before each pass over D_f its accuracy is measured; at or under the stop accuracy the method ends. After each pass the
snapshot with the best Acc(D_r) (1 - max(Acc(D_f), gamma)) is kept: wrong labels on both sides, no clean data.

Left open by the papers, chosen here: BatchNorm is frozen (D_f alone would overwrite its statistics); the reference is
the original in evaluation mode on the same augmented batch; weights that are not finite end the method; the original
is the first candidate snapshot; Acc(D_r) is measured on a random subset of at most `selection_samples`, the same one
after each pass.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor, nn, no_grad, randperm
from torch.nn import functional

from unlearnbench.method import Problem, UnlearningMethod, frozen_batchnorm, is_finite


def preference_loss(losses: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Mean NPO loss of samples with these cross-entropies [B] under the model and under the reference."""
    return -2 / beta * functional.logsigmoid(beta * (losses - reference)).mean()


@dataclass(frozen=True)
class NPO(UnlearningMethod):
    """Push the losses of D_f above those of the original, until it is forgotten.

    Args:
        learning_rate: None for the budget's.
    """

    learning_rate: float | None = None
    beta: float = 1.0
    max_passes: int = 10
    selection_samples: int = 5000

    def unlearn(self, problem: Problem) -> nn.Module:
        model, reference = problem.original(), problem.original().eval()
        best, best_score = problem.original(), 0.0
        gamma = problem.budget.stop_accuracy
        if problem.accuracy(model, problem.forget) <= gamma:
            return model
        chosen = randperm(len(problem.retain), generator=problem.generator)[: self.selection_samples]
        sample = problem.retain.take(chosen.to(problem.device))
        optimizer = problem.optimizer(model, self.learning_rate)
        for _ in range(self.max_passes):
            with frozen_batchnorm(model):
                for batch in problem.forget.batches():
                    with no_grad():
                        before = functional.cross_entropy(reference(batch.images), batch.labels, reduction="none")
                    losses = functional.cross_entropy(model(batch.images), batch.labels, reduction="none")
                    loss = preference_loss(losses, before, self.beta)
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
