"""SSD and its family: importances, ratios, factors and the search, against NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from arrays import Array, accuracy, inputs, original, softmax

from unlearnbench.method import ImageSet, Problem

Problems = Callable[..., Problem]
Module = Callable[..., ModuleType]


@pytest.fixture
def shared(module: Module) -> Any:
    return module("ssd", "dampening")


def batch_gradients(kind: str, weights: Array, images: ImageSet) -> tuple[list[Array], list[float]]:
    """The gradient of each batch of 8 in order, and each batch's share of the samples."""
    x, labels = inputs(images), images.labels.numpy()
    gradients, shares = [], []
    for start in range(0, len(x), 8):
        part, given = x[start : start + 8], labels[start : start + 8]
        logits = part @ weights.T
        if kind == "cross_entropy":
            slope = softmax(logits)
            slope[np.arange(len(part)), given] -= 1
        elif kind == "squared_norm":
            slope = 2 * logits
        else:
            slope = logits / np.sqrt((logits**2).sum(axis=1, keepdims=True))
        gradients.append(slope.T @ part / len(part))
        shares.append(len(part) / len(x))
    return gradients, shares


def importance(kind: str, weights: Array, images: ImageSet) -> Array:
    gradients, shares = batch_gradients(kind, weights, images)
    measure = np.square if kind == "cross_entropy" else np.abs
    return np.asarray(sum(share * measure(gradient) for gradient, share in zip(gradients, shares, strict=True)))


def ratio_of(kind: str, problem: Problem, images: ImageSet) -> Array:
    weights = original(problem)
    return importance(kind, weights, problem.forget) / importance(kind, weights, images)


def dampened(weights: Array, ratio: Array, alpha: float, weight: float) -> Array:
    return np.where(ratio > alpha, weights * np.minimum(1, weight / ratio), weights)


@pytest.mark.parametrize(
    ("kind", "place"), [("cross_entropy", "method"), ("squared_norm", "lfssd"), ("norm", "potion")]
)
@pytest.mark.parametrize("samples", [40, 43])  # whole batches only, and a last batch of 3
def test_importances(kind: str, place: str, samples: int, shared: Any, module: Module, linear: Problems) -> None:
    problem = linear(samples=samples)
    measure = shared.squared if kind == "cross_entropy" else abs
    model = problem.original()
    found = shared.importances(model, problem.train, getattr(module("ssd", place), kind), measure)
    wanted = importance(kind, original(problem), problem.train).ravel()
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4)
    assert found.dtype == torch.float32


def test_every_parameter_has_an_importance(shared: Any, module: Module, residual: Problems) -> None:
    model = residual().original()
    found = shared.importances(model, residual().train, module("ssd").cross_entropy, shared.squared)
    parts = found.split([parameter.numel() for parameter in model.parameters()])
    for (name, _), part in zip(model.named_parameters(), parts, strict=True):
        if not name.endswith("conv.bias"):  # BatchNorm in evaluation mode passes a bias on, if only a little
            assert part.any(), name


def test_ratios_where_one_or_both_sets_do_not_need_a_parameter(shared: Any) -> None:
    ratio = shared.ratios(torch.tensor([0.0, 0.0, 2.0, 3.0]), torch.tensor([0.0, 5.0, 0.0, 6.0]))
    assert ratio.tolist() == [0.0, 0.0, math.inf, 0.5]
    assert shared.finite_sorted(ratio).tolist() == [0.0, 0.0, 0.5]


def test_the_factor_is_one_up_to_alpha_and_weight_over_ratio_beyond(shared: Any) -> None:
    model = torch.nn.Linear(5, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    shared.dampen(model, torch.tensor([0.5, 2.0, 4.0, 8.0, math.inf]), alpha=2.0, weight=6.0)
    assert model.weight.tolist() == [[1.0, 1.0, 1.0, 0.75, 0.0]]


@pytest.mark.parametrize("q", [0.0, 3.7, 50.0, 99.31, 100.0])
def test_the_percentile_is_numpy_s(q: float, shared: Any) -> None:
    values = torch.rand(101, generator=torch.Generator().manual_seed(0))
    assert shared.percentile(values.sort().values, q) == pytest.approx(np.percentile(values.numpy(), q), rel=1e-5)


def test_ssd_end_to_end(module: Module, linear: Problems) -> None:
    problem = linear()
    ratio = ratio_of("cross_entropy", problem, problem.train)
    alpha = float(np.median(ratio))
    result = module("ssd").SSD(alpha=alpha, weight=0.7).unlearn(problem)
    wanted = dampened(original(problem), ratio, alpha, 0.7)
    assert not np.allclose(wanted, original(problem))
    np.testing.assert_allclose(result.linear.weight.detach().numpy(), wanted, rtol=1e-3, atol=1e-5)


def test_lfssd_uses_no_label(module: Module, linear: Problems) -> None:
    problem, other = linear(), linear()
    other.train.labels.zero_()
    method = module("ssd", "lfssd").LFSSD(alpha=0.9, weight=0.5)
    result = method.unlearn(problem).linear.weight.detach()
    wanted = dampened(original(problem), ratio_of("squared_norm", problem, problem.train), 0.9, 0.5)
    np.testing.assert_allclose(result.numpy(), wanted, rtol=1e-3, atol=1e-5)
    assert torch.equal(method.unlearn(other).linear.weight, result)


def test_assd_reads_alpha_off_the_ratios(module: Module, linear: Problems) -> None:
    problem = linear()
    ratio = ratio_of("cross_entropy", problem, problem.train)
    alpha = np.percentile(ratio, 100 - math.log(1 + 100 * 8 / 40))
    result = module("ssd", "assd").ASSD().unlearn(problem)
    wanted = dampened(original(problem), ratio, float(alpha), 1.0)
    assert (wanted != original(problem)).sum() >= 1
    np.testing.assert_allclose(result.linear.weight.detach().numpy(), wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("rho", [0.3, 0.5])
def test_potion_dampens_more_until_the_forget_set_is_forgotten(rho: float, module: Module, linear: Problems) -> None:
    problem = linear(pretrain=200)
    weights = original(problem)
    before = accuracy(weights, problem.forget)
    assert before > 0.4
    ratio = ratio_of("norm", problem, problem.retain)
    share, tries = 8 / 40 / 25, 0
    while True:
        tries += 1
        alpha = float(np.percentile(ratio, max(0.0, 100 - math.log(1 + 100 * share))))
        wanted = dampened(weights, ratio, alpha, 1.0)
        if accuracy(wanted, problem.forget) <= rho * before or tries == 300:
            break
        share *= 1.1
    assert tries > 1
    result = module("ssd", "potion").Potion(rho=rho, max_tries=300).unlearn(problem)
    np.testing.assert_allclose(result.linear.weight.detach().numpy(), wanted, rtol=1e-3, atol=1e-5)


def test_potion_s_tries_run_out(module: Module, linear: Problems) -> None:
    problem = linear(pretrain=200)
    few = module("ssd", "potion").Potion(rho=-1.0, max_tries=2).unlearn(problem)
    alpha = float(np.percentile(ratio_of("norm", problem, problem.retain), 100 - math.log(1 + 100 * 8 / 40 / 25 * 1.1)))
    wanted = dampened(original(problem), ratio_of("norm", problem, problem.retain), alpha, 1.0)
    np.testing.assert_allclose(few.linear.weight.detach().numpy(), wanted, rtol=1e-3, atol=1e-5)
