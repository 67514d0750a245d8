"""What the references share: data as the model sees it, SGD as torch's documentation defines it, and an accuracy."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from unlearnbench import Problem


class Samples(NamedTuple):
    x: Tensor
    y: Tensor


def everything(problem: Problem) -> Samples:
    """D_tr."""
    pixels = problem.train.images / 255
    mean = torch.tensor(problem.train.pipeline.mean).view(1, -1, 1, 1)
    std = torch.tensor(problem.train.pipeline.std).view(1, -1, 1, 1)
    return Samples((pixels - mean) / std, problem.train.labels)


def is_found(problem: Problem) -> Tensor:
    """Of each sample of D_tr whether it is in D_f."""
    found = torch.zeros(len(problem.train.labels), dtype=torch.bool)
    found[problem.forget_positions] = True
    return found


def forget_and_retain(problem: Problem) -> tuple[Samples, Samples]:
    """D_f and D_r."""
    x, y = everything(problem)
    found = is_found(problem)
    return Samples(x[found], y[found]), Samples(x[~found], y[~found])


def one_pass(samples: Samples, size: int) -> list[Samples]:
    """All samples in order, `size` at a time; the last batch may be smaller."""
    return [Samples(samples.x[i : i + size], samples.y[i : i + size]) for i in range(0, len(samples.y), size)]


def original(problem: Problem) -> nn.Module:
    """theta_0, in training mode."""
    model: nn.Module = problem.new_model()
    model.load_state_dict(problem.original_weights)
    return model.train()


class SGD:
    """v <- momentum v + (gradient + decay w), w <- w - rate v, with v = 0 at first."""

    def __init__(self, model: nn.Module, problem: Problem):
        self.weights = list(model.parameters())
        self.velocities = [torch.zeros_like(weight) for weight in self.weights]
        self.momentum, self.decay = problem.recipe.momentum, problem.recipe.weight_decay

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for weight, velocity in zip(self.weights, self.velocities, strict=True):
            assert weight.grad is not None
            velocity.mul_(self.momentum).add_(weight.grad + self.decay * weight)
            weight.sub_(rate * velocity)
            weight.grad = None


@torch.no_grad()
def accuracy(model: nn.Module, samples: Samples) -> float:
    """In evaluation mode; the model is in training mode afterwards."""
    model.eval()
    right = int((model(samples.x).argmax(1) == samples.y).sum())
    model.train()
    return right / len(samples.y)
