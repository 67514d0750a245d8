"""Softmax regression in float64 NumPy: an independent reading of what a method does to one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unlearnbench import ImageSet, Problem

Array = NDArray[np.float64]


def inputs(images: ImageSet) -> Array:
    """What the model sees of a set without augmentation, [N, pixels]."""
    return images.pipeline.normalised(images.images).flatten(1).double().numpy()


def softmax(logits: Array) -> Array:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def ce_gradient(weights: Array, images: ImageSet) -> Array:
    """Gradient of the mean cross-entropy, [classes, pixels]."""
    x = inputs(images)
    error = softmax(x @ weights.T)
    error[np.arange(len(x)), images.labels.numpy()] -= 1
    return np.asarray(error.T @ x / len(x))


def accuracy(weights: Array, images: ImageSet) -> float:
    return float(((inputs(images) @ weights.T).argmax(axis=1) == images.labels.numpy()).mean())


def original(problem: Problem) -> Array:
    return problem.original_weights["linear.weight"].double().numpy()


@dataclass
class SGD:
    """torch's SGD with momentum and weight decay, on one matrix."""

    problem: Problem
    rate: float
    velocity: Array | None = field(default=None)

    def step(self, weights: Array, gradient: Array) -> Array:
        gradient = gradient + self.problem.recipe.weight_decay * weights
        momentum = self.problem.recipe.momentum
        self.velocity = gradient if self.velocity is None else momentum * self.velocity + gradient
        return weights - self.rate * self.velocity
