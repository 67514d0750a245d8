"""CUTS, corrective unlearning in task space: Mozafari et al., "Subtract the Corruption", arXiv 2511.18660.

The original, theta_0, is fine-tuned on known corruption, with its wrong labels, to theta_p. The difference is the
direction in which corruption is learnt; going the other way unlearns it, found or not:

    theta = theta_0 - alpha (theta_p - theta_0)

over all weights but those of BatchNorm, which stay the original's, statistics and all. alpha is the authors' for wrong
labels, chosen without any label: of 0, 0.05 .. 4 the one whose model agrees best with itself. Its features, scaled to
length 1, give each sample k nearest neighbours and, through the last layer, probabilities; SA is the share of
neighbours that are predicted the same class, P the sum of the squared mean probabilities of the classes, C their
number, S the number of classes predicted at least min(k + 1, max(3, k)) times, and the score is

    (SA - P) / (1 - P) - max(0, C - 1 / P) / C - max(0, C - S) / C.

The first of equals wins; ten falls in a row end the search; with S < 2 alpha is out. k is half of a class's share.

BatchNorm of the proxy: training mode on D_f. One optimizer, for the proxy. Rate: constant (the authors' falls in steps
over 120 epochs on label noise, and warms up and falls on a trigger).

Chosen here: the proxy, whose images agreement is measured on, is D_f, which the original was trained on (there:
held-out samples that were corrupted on purpose), in `passes` over it; k is 1 at least. For a trigger the authors have
another rule, the smallest alpha that forgets the proxy; a method does not know the kind of corruption, so that rule is
the variant `forgets`: the smallest alpha at which Acc(D_f) rounds to 1% or less, the largest if there is none (there
the search goes on to 5, then fails).
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
    """theta_0 - alpha (theta_p - theta_0), BatchNorm's weights and statistics left at theta_0."""
    model = problem.original()
    fixed = {id(p) for norm in model.modules() if isinstance(norm, nn.BatchNorm2d) for p in norm.parameters()}
    for own, moved in zip(model.parameters(), proxy.parameters(), strict=True):
        if id(own) not in fixed:
            own.sub_(alpha * (moved - own))
    return model


@torch.no_grad()
def agreement(features: Tensor, head: nn.Linear, neighbours: int) -> float:
    """The score of a model with these features [N, D] and this last layer; -inf with fewer than two classes."""
    unit = functional.normalize(features, dim=1)
    probabilities = head(unit).float().softmax(dim=1)  # [N, C]
    predicted = probabilities.argmax(dim=1)
    count, classes = len(unit), head.out_features
    distance = torch.cdist(unit, unit)
    distance.fill_diagonal_(-1)  # each is its own first neighbour, whatever its twins are
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
    """Learn the corruption better, then go the other way.

    Args:
        learning_rate: None for the budget's.
        passes: over D_f, of the proxy.
        step, largest: the grid of alpha: 0, step .. largest.
        forgets: take the smallest alpha that forgets D_f instead of the one that agrees best.
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
        """The smallest alpha at which D_f is forgotten."""
        for alpha in self.alphas():
            if round(problem.accuracy(negated(problem, proxy, alpha), problem.forget), 2) <= 0.01:
                break
        return alpha

    def agreeing(self, problem: Problem, proxy: nn.Module) -> float:
        """The alpha whose model agrees best with itself."""
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
