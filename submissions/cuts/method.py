"""CUTS, corrective unlearning in task space: Mozafari et al., "Subtract the Corruption", arXiv 2511.18660.

Fine-tuning the original theta_0 on known corrupted samples, with their wrong labels, gives the proxy theta_p. The task
vector theta_p - theta_0 is the direction in which the model learns the corruption. Subtracting it unlearns the
corruption, discovered or not:

    theta = theta_0 - alpha (theta_p - theta_0)

BatchNorm's weights and running statistics are excluded and keep the original's values. alpha follows the authors' rule
for wrong labels, which uses no label: out of 0, 0.05 .. 4, it maximises the agreement of the model with itself. The
model's features, scaled to unit length, give each sample its k nearest neighbours and, through the last layer, its
class probabilities. Let SA be the share of neighbours with the same predicted class, P the sum of the squared mean
class probabilities, C the number of classes, and S the number of classes predicted at least min(k + 1, max(3, k))
times. The score is

    (SA - P) / (1 - P) - max(0, C - 1 / P) / C - max(0, C - S) / C.

Ties go to the smaller alpha, alphas with S < 2 are excluded, and the search ends after ten consecutive falls of the
score. k is half the mean number of samples per class.

BatchNorm: training mode on D_f while fine-tuning the proxy. One optimizer, for the proxy, at a constant rate (the
authors train for 120 epochs, with a step decay on label noise and warm-up and decay on a trigger).

Chosen here: the proxy is fine-tuned on D_f, which the original was trained on, for `passes` passes, and the agreement
is measured on its images (the authors use held-out samples that they corrupt on purpose). k is at least 1. For a
trigger the authors have another rule: the smallest alpha that forgets the proxy set. A method does not know the kind of
corruption, so that rule is the variant `forgets`: the smallest alpha at which Acc(D_f) rounds to 1% or less, or the
largest alpha if there is none (the authors' search goes on to 5, then fails).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import Classifier, Problem, UnlearningMethod


@torch.no_grad()
def negated(problem: Problem, proxy: nn.Module, alpha: float) -> Classifier:
    """theta_0 - alpha (theta_p - theta_0); BatchNorm keeps the weights and running statistics of theta_0."""
    model = problem.original()
    fixed = {id(p) for norm in model.modules() if isinstance(norm, nn.BatchNorm2d) for p in norm.parameters()}
    for own, moved in zip(model.parameters(), proxy.parameters(), strict=True):
        if id(own) not in fixed:
            own.sub_(alpha * (moved - own))
    return model


@torch.no_grad()
def agreement(features: Tensor, head: nn.Linear, neighbours: int) -> float:
    """Score of a model with features [N, D] and last layer `head`; -inf if S is below two."""
    unit = functional.normalize(features, dim=1)
    probabilities = head(unit).float().softmax(dim=1)  # [N, C]
    predicted = probabilities.argmax(dim=1)
    count, classes = len(unit), head.out_features
    distance = torch.cdist(unit, unit)
    distance.fill_diagonal_(-1)  # each sample is its own first neighbour, even among duplicates
    nearest = distance.topk(min(neighbours + 1, count), largest=False).indices[:, 1:]  # [N, k]
    same = float((predicted[nearest] == predicted[:, None]).double().mean())
    chance = float(probabilities.double().mean(dim=0).square().sum())
    supported = int((predicted.bincount(minlength=classes) >= min(neighbours + 1, max(3, neighbours))).sum())
    if supported < 2:
        return float("-inf")
    spread, coverage = max(0.0, classes - 1 / max(chance, 1e-8)) / classes, (classes - supported) / classes
    return (same - chance) / max(1 - chance, 1e-8) - spread - coverage


@dataclass(frozen=True)
class CUTS(UnlearningMethod):
    """Fine-tune on the corruption, then subtract the task vector.

    Args:
        learning_rate: None takes the budget's.
        passes: passes over D_f that train the proxy.
        step, largest: alpha is searched on the grid 0, step .. largest.
        forgets: take the smallest alpha that forgets D_f instead of the one with the best agreement.
    """

    learning_rate: float | None = None
    passes: int = 10
    step: float = 0.05
    largest: float = 4.0
    forgets: bool = False

    def unlearn(self, problem: Problem) -> nn.Module:
        proxy = problem.original()
        optimizer = problem.optimizer(proxy, self.learning_rate)
        for _ in range(self.passes):
            for batch in problem.forget.batches():
                loss = functional.cross_entropy(proxy(batch.images), batch.labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        alpha = self.forgetting(problem, proxy) if self.forgets else self.agreeing(problem, proxy)
        return negated(problem, proxy, alpha)

    def alphas(self) -> Iterator[float]:
        return (round(number * self.step, 6) for number in range(round(self.largest / self.step) + 1))

    def forgetting(self, problem: Problem, proxy: nn.Module) -> float:
        """The smallest alpha at which D_f is forgotten, or the largest of the grid."""
        for alpha in self.alphas():
            if round(problem.accuracy(negated(problem, proxy, alpha), problem.forget), 2) <= 0.01:
                break
        return alpha

    def agreeing(self, problem: Problem, proxy: nn.Module) -> float:
        """The alpha with the best agreement score."""
        best, best_score = 0.0, float("-inf")
        scores: deque[float] = deque(maxlen=11)
        for alpha in self.alphas():
            scores.append(self.score(problem, negated(problem, proxy, alpha)))
            if scores[-1] > best_score:
                best, best_score = alpha, scores[-1]
            if len(scores) == scores.maxlen and all(after < before for before, after in pairwise(scores)):
                break
        return best

    def score(self, problem: Problem, model: Classifier) -> float:
        features, _ = problem.outputs(model, problem.forget)
        return agreement(features, model.head, max(1, len(features) // problem.classes // 2))
