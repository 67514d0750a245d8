"""The practitioner's baseline: drop what looks like D_f, then retrain (EU in Goel et al., arXiv 2402.14015).

Features: for each sample of D_tr, the original gives the outputs of all normalisation layers (averaged over positions),
the input of the last layer, and the log of the cross-entropy CE. All are standardised among the samples of the same
label (mean 0, standard deviation 1). The activations are reduced to `components` principal components z of equal
variance.

Scores: a ridge regression on (z, z for each label, label, log CE) separates D_f from D_r, with equal total weight on
both. This is a regularised linear discriminant. Each sample's score is leave-one-out, in closed form, and the ridge
with the smallest squared leave-one-out error is used.

Threshold: D_r contains undiscovered corruption, so it is not a clean negative class (learning from positive and
unlabelled samples: Elkan and Noto, KDD 2008). D_f is a random part of D_m. Its scores, taken as normally distributed,
estimate the share r(t) of undiscovered corruption that scores above a threshold t. N(t) samples of D_r score above t,
so at most U = min N / r samples of D_r are corrupted, where the minimum is over thresholds with r of at least 1/2. The
chosen threshold maximises U r - price (N - U r), the corrupted samples dropped minus the price of the clean samples
dropped. If this is nowhere positive, nothing is dropped. At most the share `largest` of each label is dropped.

BatchNorm: evaluation mode in detection, training mode in retraining. The optimizer and its rate are the recipe's.

Chosen here: everything. Retraining does not count towards the budget, as in `retrain`. If D_f is a single sample,
nothing is dropped. Nothing is tuned: selection without clean data would reward a model that fits the undiscovered
corruption.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import ImageSet, Problem, Share, UnlearningMethod

RIDGES = [10**exponent for exponent in (-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5)]


def activations(problem: Problem) -> tuple[Tensor, Tensor]:
    """Of D_tr: outputs of the normalisation layers and input of the last layer, float64 [N, D], and log CE [N, 1]."""
    model, seen = problem.original(), dict[nn.Module, list[Tensor]]()

    def look(layer: nn.Module, inputs: Any, output: Tensor) -> None:  # [B, D, S, S] or [B, tokens, D]
        places = (2, 3) if output.ndim == 4 else tuple(range(1, output.ndim - 1))
        seen.setdefault(layer, []).append((output.mean(dim=places) if places else output).double())

    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.LayerNorm):
            layer.register_forward_hook(look)
    features, logits = problem.outputs(model, problem.train)
    losses = functional.cross_entropy(logits.double(), problem.train.labels, reduction="none")
    inside = [torch.cat(parts) for parts in seen.values()]
    return torch.cat([*inside, features.double()], dim=1), losses.clamp(min=1e-6).log()[:, None]


def within_labels(values: Tensor, labels: Tensor) -> Tensor:
    """Values [N, D], each column standardised (mean 0, standard deviation 1) among the samples of each label."""
    result = torch.zeros_like(values)
    for label in labels.unique():
        part = values[labels == label]
        result[labels == label] = (part - part.mean(dim=0)) / (part.std(dim=0, correction=0) + 1e-6)
    return result


def components(values: Tensor, count: int) -> Tensor:
    """The first principal components [N, <= count] of centred values [N, D], with equal variances that sum to 1."""
    variances, directions = torch.linalg.eigh(values.T @ values / len(values))
    first = variances.argsort(descending=True)[:count]
    first = first[variances[first] > 1e-9 * variances.max()]
    result: Tensor = values @ directions[:, first] / (variances[first] * len(first)).sqrt()
    return result


def left_out_scores(inputs: Tensor, found: Tensor) -> Tensor:
    """Leave-one-out scores [N] of a ridge regression on inputs [N, K], with target 1 for D_f and -1 for D_r."""
    weights = torch.where(found, 0.5 / found.sum(), 0.5 / (~found).sum()).double()
    targets = found.double() * 2 - 1
    values, directions = torch.linalg.eigh((inputs * weights[:, None]).T @ inputs)
    turned = inputs @ directions
    best, least = targets, float("inf")
    for ridge in RIDGES:
        inverse = 1 / (values + ridge)
        fitted = turned @ (inverse * (turned.T @ (weights * targets)))
        leverage = weights * (turned.square() @ inverse)
        scores = (fitted - leverage * targets) / (1 - leverage)
        error = float((weights * (scores - targets).square()).sum())
        if error < least:
            best, least = scores, error
    return best


def threshold(found: Tensor, others: Tensor, price: float) -> float:
    """The score at and above which samples of D_r are dropped; infinity for none.

    found, others: the scores of D_f and of D_r.
    """
    if len(found) < 2:
        return float("inf")
    ordered = others.sort(descending=True).values
    share = torch.special.ndtr((found.mean() - ordered) / found.std().clamp(min=1e-6))  # r
    above = torch.arange(1, len(ordered) + 1, device=ordered.device, dtype=ordered.dtype)  # N
    undiscovered = (above / share)[share >= 0.5]
    if len(undiscovered) == 0:
        return float("inf")
    corrupted = undiscovered.min() * share
    gain = corrupted - price * (above - corrupted)
    return float(ordered[gain.argmax()]) if gain.max() > 0 else float("inf")


@dataclass(frozen=True)
class Detection(UnlearningMethod):
    """The detection that both methods share.

    Args:
        components: number of principal components of the activations.
        price: cost of dropping a clean sample, where keeping a corrupted one costs 1.
        largest: share of each label's samples in D_r that may be dropped.
    """

    components: int = 32
    price: float = 0.05
    largest: Share = 0.5

    def trusted(self, problem: Problem) -> ImageSet:
        """D_r without the look-alikes of D_f."""
        labels = problem.train.labels
        found = torch.zeros(len(labels), dtype=torch.bool, device=problem.device)
        found[problem.forget.ids] = True
        values, losses = (within_labels(part, labels) for part in activations(problem))
        inside = components(values, self.components)  # [N, K]
        given = functional.one_hot(labels, problem.classes).double()  # [N, C]
        by_label = (given[:, :, None] * inside[:, None, :]).flatten(1)  # [N, C K]
        scores = left_out_scores(torch.cat([inside, by_label, given, losses], dim=1), found)
        dropped = ~found & (scores >= threshold(scores[found], scores[~found], self.price))
        for label in labels.unique():
            same = (~found & (labels == label)).nonzero().flatten()
            first = same[scores[same].argsort(descending=True)]
            dropped[first[int(self.largest * len(same)) :]] = False
        return problem.train.take(~found & ~dropped)


@dataclass(frozen=True)
class DetectRetrain(Detection):
    """Retrain from scratch on D_r without the look-alikes of D_f."""

    def unlearn(self, problem: Problem) -> nn.Module:
        return problem.train_from_scratch(self.trusted(problem))
