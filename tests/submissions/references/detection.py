"""What is dropped from D_r because it looks like D_f, in float64 NumPy.

Every score comes from a regression that was fitted anew without its sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from torch import nn
from torch.nn import functional

from tests.submissions.references.plain import everything, is_found, original
from unlearnbench import Problem

Array = NDArray[np.float64]
RIDGES = np.logspace(-3, 0.5, 8)


def measured(problem: Problem) -> tuple[Array, Array]:
    """What leaves the normalisation layers, averaged over positions, and enters the last one, [N, D]; log CE, [N]."""
    model = original(problem).eval()
    x, y = everything(problem)
    parts: list[Array] = []

    def channels(output: torch.Tensor) -> Array:
        array = output.detach().double().numpy()
        return array.mean(axis=(2, 3)) if array.ndim == 4 else array

    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _, inputs, output: parts.append(channels(output)))
        if isinstance(module, nn.Linear):
            module.register_forward_pre_hook(lambda _, inputs: parts.append(channels(inputs[0])))
    with torch.no_grad():
        losses = functional.cross_entropy(model(x).double(), y, reduction="none").numpy()
    return np.hstack(parts), np.log(np.maximum(losses, 1e-6))


def standardised(values: Array, labels: NDArray[np.int64]) -> Array:
    result = values.copy()
    for label in set(labels.tolist()):
        rows = labels == label
        result[rows] -= values[rows].mean(axis=0)
        result[rows] /= values[rows].std(axis=0) + 1e-6
    return result


def design(problem: Problem, components: int) -> Array:
    """One row a sample."""
    labels = problem.train.labels.numpy()
    values, losses = measured(problem)
    left, sizes, _ = np.linalg.svd(standardised(values, labels), full_matrices=False)
    rank = min(components, int((sizes**2 > 1e-9 * sizes[0] ** 2).sum()))
    inside = left[:, :rank] * np.sqrt(len(labels) / rank)  # the variance of a component is 1 / rank
    rows = []
    for z, label, loss in zip(inside, labels, standardised(losses[:, None], labels)[:, 0], strict=True):
        own = np.eye(problem.classes)[label]
        rows.append(np.concatenate([z, np.outer(own, z).ravel(), own, [loss]]))
    return np.array(rows)


def scores(rows: Array, found: NDArray[np.bool_]) -> Array:
    targets = np.where(found, 1.0, -1.0)
    weights = np.where(found, 0.5 / found.sum(), 0.5 / (~found).sum())
    candidates: list[Any] = []
    for ridge in RIDGES:
        result = np.zeros(len(rows))
        for i in range(len(rows)):
            others = np.arange(len(rows)) != i
            x, w, t = rows[others], weights[others], targets[others]
            fit = np.linalg.solve(x.T @ (w[:, None] * x) + ridge * np.eye(x.shape[1]), x.T @ (w * t))
            result[i] = rows[i] @ fit
        candidates.append((float((weights * (result - targets) ** 2).sum()), result))
    best: Array = min(candidates, key=lambda pair: pair[0])[1]
    return best


def from_which_on(found: Array, others: Array, price: float) -> float:
    """The threshold; infinity if nothing is to be dropped."""
    if len(found) < 2:
        return np.inf
    rows = []
    for t in others:
        share = norm.cdf((found.mean() - t) / found.std(ddof=1))
        rows.append((t, share, (others >= t).sum()))
    bounds = [above / share for _, share, above in rows if share >= 0.5]
    if not bounds:
        return np.inf
    gains = {t: min(bounds) * share - price * (above - min(bounds) * share) for t, share, above in rows}
    best = max(gains, key=lambda t: gains[t])
    return float(best) if gains[best] > 0 else np.inf


def trusted(problem: Problem, components: int = 32, price: float = 0.05, largest: float = 0.5) -> list[int]:
    """Positions in D_tr of what is left of D_r."""
    found, labels = is_found(problem).numpy(), problem.train.labels.numpy()
    s = scores(design(problem, components), found)
    threshold = from_which_on(s[found], s[~found], price)
    dropped: set[int] = set()
    for label in set(labels.tolist()):
        same = [i for i in range(len(labels)) if labels[i] == label and not found[i]]
        worst = sorted(same, key=lambda i: -s[i])[: int(largest * len(same))]
        dropped |= {i for i in worst if s[i] >= threshold}
    return [i for i in range(len(labels)) if not found[i] and i not in dropped]
