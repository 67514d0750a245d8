"""SSD's family on any model: importances, parameter by parameter, and dampening of what matters more to D_f than to D.

Released code: an importance is the mean over batches of a function of the gradient of the batch's mean loss, in
evaluation mode, without augmentation. Selected is I_f > alpha I_D; the factor is lambda I_D / I_f, 1 at most.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import Samples, accuracy, everything, forget_and_retain, one_pass, original
from unlearnbench import Problem

Array = NDArray[np.float64]
Importances = dict[str, Array]
Loss = Literal["squared cross-entropy", "squared norm", "norm"]


def loss_of(kind: Loss, logits: Tensor, y: Tensor) -> Tensor:
    if kind == "squared cross-entropy":
        return -logits.log_softmax(1)[torch.arange(len(y)), y].mean()
    if kind == "squared norm":
        return (logits**2).sum(1).mean()
    return (logits**2).sum(1).sqrt().mean()


def importances(problem: Problem, samples: Samples, kind: Loss) -> Importances:
    """The squared gradient for a cross-entropy, the absolute one for a norm of the logits."""
    model = original(problem).eval()
    batches = one_pass(samples, problem.budget.batch_size)
    sums = {name: np.zeros(tuple(weight.shape)) for name, weight in model.named_parameters()}
    for x, y in batches:
        model.zero_grad()
        loss_of(kind, model(x), y).backward()
        for name, weight in model.named_parameters():
            assert weight.grad is not None
            gradient = weight.grad.double().numpy()
            sums[name] += gradient**2 if kind == "squared cross-entropy" else np.abs(gradient)
    return {name: total / len(batches) for name, total in sums.items()}


def dampened(problem: Problem, of_forget: Importances, of_all: Importances, alpha: float, lambda_: float) -> nn.Module:
    model = original(problem)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            selected = of_forget[name] > alpha * of_all[name]
            factors = np.ones(tuple(weight.shape))
            factors[selected] = np.minimum(1, lambda_ * of_all[name][selected] / of_forget[name][selected])
            weight.mul_(torch.from_numpy(factors))
    return model


def percentile(of_forget: Importances, of_all: Importances, share: float) -> float:
    """100 - ln(1 + 100 share) of all ratios; what is no number, or infinite, is left out."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.concatenate([(of_forget[name] / of_all[name]).ravel() for name in of_all])
    return float(np.percentile(ratios[np.isfinite(ratios)], 100 - math.log(1 + 100 * share)))


def ssd(problem: Problem, alpha: float, weight: float, kind: Loss = "squared cross-entropy") -> Trace:
    forget, _ = forget_and_retain(problem)
    measured = importances(problem, forget, kind), importances(problem, everything(problem), kind)
    return Trace([], state(dampened(problem, *measured, alpha, weight)))


def lfssd(problem: Problem, alpha: float, weight: float) -> Trace:
    return ssd(problem, alpha, weight, "squared norm")


def assd(problem: Problem, weight: float) -> Trace:
    forget, _ = forget_and_retain(problem)
    alls = everything(problem)
    kind: Loss = "squared cross-entropy"
    measured = importances(problem, forget, kind), importances(problem, alls, kind)
    alpha = percentile(*measured, len(forget.y) / len(alls.y))
    return Trace([], state(dampened(problem, *measured, alpha, weight)))


def potion(
    problem: Problem,
    rho: float,
    max_tries: int,
    growth: float = 1.1,
    start: float = 1 / 25,
    stop: bool = False,
) -> Trace:
    """D is D_r. `stop` is REM's second rule, with the suite's threshold."""
    forget, retain = forget_and_retain(problem)
    measured = importances(problem, forget, "norm"), importances(problem, retain, "norm")
    before = accuracy(original(problem), forget)
    share = start * len(forget.y) / (len(forget.y) + len(retain.y))
    for _ in range(max_tries):
        model = dampened(problem, *measured, percentile(*measured, share), 1.0)
        now = accuracy(model, forget)
        if now <= rho * before or (stop and now <= problem.budget.stop_accuracy):
            break
        share *= growth
    return Trace([], state(model))
