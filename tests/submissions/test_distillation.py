"""SCRUB and Bad Teacher: losses and the order of their passes, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from arrays import SGD, Array, ce_gradient, inputs, original, softmax

from unlearnbench.method import ImageSet, Problem

Problems = Callable[..., Problem]
Module = Callable[..., ModuleType]


def kd(student: Array, teacher: Array, temperature: float) -> float:
    """T^2 KL(teacher || student), batch mean, from its definition."""
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return float(temperature**2 * (p * np.log(p / q)).sum(axis=1).mean())


def kd_gradient(weights: Array, teacher: Array, images: ImageSet, temperature: float) -> Array:
    x = inputs(images)
    error = softmax(x @ weights.T / temperature) - softmax(x @ teacher.T / temperature)
    return np.asarray(temperature * error.T @ x / len(x))


def logits(seed: int) -> torch.Tensor:
    return 3 * torch.randn(7, 4, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_is_the_divergence_from_the_teacher(temperature: float, module: Module) -> None:
    student, teacher = logits(1), logits(2)
    wanted = kd(student.double().numpy(), teacher.double().numpy(), temperature)
    assert module("scrub").distillation(student, teacher, temperature).item() == pytest.approx(wanted, rel=1e-4)
    assert kd(student.double().numpy(), teacher.double().numpy(), 1.0) > 0.1


@pytest.mark.parametrize("labels_ascend", [False, True])
def test_scrub_end_to_end(labels_ascend: bool, module: Module, linear: Problems) -> None:
    problem = linear(steps=3, weight_decay=0.01, learning_rate=0.1)
    method = module("scrub", "goel").SCRUBGoel(alpha=0.5) if labels_ascend else module("scrub").SCRUB(alpha=0.5)
    result = method.unlearn(problem)
    weights = teacher = original(problem)
    descent = SGD(problem, 0.1)
    for epoch in range(3):  # one batch holds all of D_r
        if epoch < 2:
            gain = kd_gradient(weights, teacher, problem.forget, 4.0)
            if labels_ascend:
                gain = ce_gradient(weights, problem.forget) + 0.5 * gain
            weights = SGD(problem, 0.1).step(weights, -gain)
        elif not labels_ascend:
            descent.rate = 0.01  # the last third
        kept = 0.5 * kd_gradient(weights, teacher, problem.retain, 4.0)
        weights = descent.step(weights, (1.0 if labels_ascend else 0.99) * ce_gradient(weights, problem.retain) + kept)
    np.testing.assert_allclose(result.linear.weight.detach().numpy(), weights, rtol=1e-3, atol=1e-5)


def test_scrub_ascends_without_labels(module: Module) -> None:
    student, teacher, labels = logits(1), logits(2), torch.arange(7) % 4
    scrub, goel = module("scrub").SCRUB(), module("scrub", "goel").SCRUBGoel()
    assert scrub.leave_gain(student, teacher, labels) == scrub.leave_gain(student, teacher, labels.flip(0))
    assert goel.leave_gain(student, teacher, labels) != goel.leave_gain(student, teacher, labels.flip(0))


def test_bad_teacher_end_to_end(module: Module, linear: Problems) -> None:
    problem = linear(steps=2, weight_decay=0.01)
    torch.manual_seed(4)
    result: Any = module("bad_teacher").BadTeacher(learning_rate=0.3).unlearn(problem)
    torch.manual_seed(4)
    models = [problem.new_model() for _ in range(3)]  # student, competent teacher, incompetent teacher
    nonsense = models[2].get_parameter("linear.weight").detach().double().numpy()
    x, weights, sgd = inputs(problem.train), original(problem), SGD(problem, 0.3)
    target = softmax(x @ weights.T)
    target[:8] = softmax(x[:8] @ nonsense.T)
    for _ in range(2):
        weights = sgd.step(weights, (softmax(x @ weights.T) - target).T @ x / len(x))
    np.testing.assert_allclose(result.linear.weight.detach().numpy(), weights, rtol=1e-3, atol=1e-5)


def test_bad_teacher_uses_no_label(module: Module, linear: Problems) -> None:
    results = []
    for shift in (0, 1):
        problem = linear()
        problem.train.labels.add_(shift).remainder_(3)
        torch.manual_seed(4)
        results.append(module("bad_teacher").BadTeacher().unlearn(problem).linear.weight)
    assert torch.equal(*results)


def test_the_divergence_is_a_batch_mean(module: Module) -> None:
    student, teacher = logits(1), logits(2)
    wanted = kd(student.double().numpy(), teacher.double().numpy(), 1.0)
    assert module("bad_teacher").divergence(student, teacher).item() == pytest.approx(wanted, rel=1e-4)
