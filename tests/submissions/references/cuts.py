"""CUTS: a proxy learns D_f, and the original goes the other way; how far, its authors' rule for wrong labels says.

The rule is computed in float64 NumPy. Where it is to forget D_f instead, it is the authors' rule for triggers.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tests.submissions.proof import State, Trace, state
from tests.submissions.references.plain import SGD, accuracy, forget_and_retain, one_pass, original
from unlearnbench import Problem

Array = NDArray[np.float64]
GRID = [number / 20 for number in range(81)]
"""The alphas, 0 to 4."""


def of_batchnorm(model: nn.Module) -> set[str]:
    """The names of all tensors of modules that have running statistics."""
    owners = [name for name, module in model.named_modules() if hasattr(module, "running_mean")]
    return {name for name in model.state_dict() if name.rpartition(".")[0] in owners}


def features(model: nn.Module, x: Tensor) -> tuple[Array, Array]:
    """What enters the last layer, [N, D], and that layer's weights, [C, D]; evaluation mode."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    assert last.bias is None
    seen: list[Tensor] = []
    handle = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.eval()
    with torch.no_grad():
        model(x)
    handle.remove()
    return seen[0].double().numpy(), last.weight.detach().double().numpy()


def agreement(raw: Array, head: Array) -> float:
    """The authors' score of one alpha."""
    n, c = len(raw), len(head)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    logits = unit @ head.T
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    k = (n // c) // 2
    equal = []
    for i in range(n):
        distances = ((unit - unit[i]) ** 2).sum(axis=1)
        distances[i] = -1  # first is the sample itself, and it is left out
        neighbours = np.argsort(distances, kind="stable")[1 : k + 1]
        equal += [predicted[i] == predicted[j] for j in neighbours]
    p = (probabilities.mean(axis=0) ** 2).sum()
    adjusted = (np.mean(equal) - p) / max(1e-8, 1 - p)
    required = max(2, c)
    few_effective = max(0.0, required - 1 / max(1e-8, p)) / required
    enough = min(k + 1, max(3, k))
    supported = sum((predicted == label).sum() >= enough for label in range(c))
    if supported < 2:
        return -1e6 - float(2 - supported)
    return float(adjusted - few_effective - max(0, required - supported) / required)


def best(score: Callable[[float], float]) -> float:
    """The first alpha of the highest score; the search ends when the last ten differences are all negative."""
    scores: list[float] = []
    for alpha in GRID:
        scores.append(score(alpha))
        last = scores[-11:]
        if len(last) == 11 and all(later < earlier for earlier, later in pairwise(last)):
            break
    return GRID[int(np.argmax(scores))]


def edited(problem: Problem, proxy: State, alpha: float) -> nn.Module:
    model = original(problem)
    left_out = of_batchnorm(model)
    before = problem.original_weights
    model.load_state_dict(
        {name: old if name in left_out else old - alpha * (proxy[name] - old) for name, old in before.items()}
    )
    return model


def reference(problem: Problem, learning_rate: float, passes: int, forgets: bool) -> Trace:
    forget, _ = forget_and_retain(problem)
    model = original(problem)
    sgd, trace = SGD(model, problem), Trace()
    for _ in range(passes):
        for x, y in one_pass(forget, problem.budget.batch_size):
            functional.cross_entropy(model(x), y).backward()
            sgd.step(learning_rate)
            trace.steps.append(state(model))
    proxy = state(model)

    if forgets:
        for alpha in GRID:
            model = edited(problem, proxy, alpha)
            trace.final = state(model)
            if round(accuracy(model, forget), 2) <= 0.01:
                break
        return trace
    alpha = best(lambda alpha: agreement(*features(edited(problem, proxy, alpha), forget.x)))
    trace.final = state(edited(problem, proxy, alpha))
    return trace
