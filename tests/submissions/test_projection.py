"""CUTS and SAP: the negated task vector and the projections, against NumPy; oracle and ETD, which train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from arrays import SGD, accuracy, ce_gradient, inputs, original, softmax
from torch import nn

from unlearnbench.method import Classifier, ImageSet, Problem

Problems = Callable[..., Problem]
Module = Callable[..., ModuleType]


def test_cuts_goes_the_other_way_as_far_as_the_score_says(module: Module, linear: Problems) -> None:
    problem = linear(pretrain=200)
    result = module("cuts").CUTS(learning_rate=0.02, passes=3).unlearn(problem)
    start = proxy = original(problem)
    sgd = SGD(problem, 0.02)
    for _ in range(3):
        proxy = sgd.step(proxy, ce_gradient(proxy, problem.forget))
    candidates = [start - alpha * (proxy - start) for alpha in (0.0, *(0.1 * 1.5**k for k in range(20)))]
    scores = [
        accuracy(weights, problem.retain) * (1 - max(accuracy(weights, problem.forget), 0.2)) for weights in candidates
    ]
    assert int(np.argmax(scores)) > 0, "otherwise nothing is negated"
    wanted = candidates[int(np.argmax(scores))]
    np.testing.assert_allclose(result.linear.weight.detach().numpy(), wanted, rtol=1e-3, atol=1e-5)


def test_the_inputs_of_a_convolution_are_its_patches(module: Module) -> None:
    layer = nn.Conv2d(3, 5, 5, stride=2, padding=2, bias=False)
    x = torch.rand(4, 3, 8, 8)
    rows = module("sap").inputs_of(layer, x)
    assert rows.shape == (4 * 16, 75)
    outputs = (rows @ layer.weight.detach().flatten(1).double().T).view(4, 16, 5).transpose(1, 2).view(4, 5, 4, 4)
    torch.testing.assert_close(outputs.float(), layer(x).detach())


def test_sap_end_to_end(module: Module, linear: Problems) -> None:
    problem = linear()
    weights, x = original(problem), inputs(problem.train)
    loss = -np.log(softmax(x @ weights.T)[np.arange(40), problem.train.labels.numpy()])
    trusted = x[np.argsort(loss)[:15]]
    u, s, _ = np.linalg.svd(trusted.T)  # columns are input vectors
    variance = np.zeros(12)
    variance[: len(s)] = s**2 / (s**2).sum()
    scale = 30 * variance / (29 * variance + 1)
    wanted = weights @ u @ np.diag(scale) @ u.T
    result = module("sap").SAP(alpha=30, trusted=15).unlearn(problem).linear.weight.detach().numpy()
    np.testing.assert_allclose(result, wanted, rtol=1e-3, atol=1e-5)
    assert np.abs(wanted - weights).max() > 0.01


def test_sap_changes_every_layer_and_nothing_else(module: Module, residual: Problems) -> None:
    problem = residual()
    changed = module("sap").SAP(alpha=50, trusted=20).unlearn(problem).state_dict()
    for name, tensor in problem.original_weights.items():
        assert torch.equal(tensor, changed[name]) == (not name.endswith(("conv.weight", "linear.weight"))), name


def test_the_oracle_trains_on_what_is_clean(module: Module, residual: Problems) -> None:
    seen: list[ImageSet] = []

    def trainer(model: Classifier, images: ImageSet, recipe: object) -> None:
        seen.append(images)

    problem = replace(residual(forget=4), corrupted_positions=torch.tensor([0, 1, 2, 3, 9, 30]), trainer=trainer)
    module("oracle").Oracle().unlearn(problem)
    assert seen[0].ids.tolist() == [i for i in range(40) if i not in (0, 1, 2, 3, 9, 30)]


def test_the_oracle_must_be_told(module: Module, residual: Problems) -> None:
    with pytest.raises(AssertionError, match="corrupted indices"):
        module("oracle").Oracle().unlearn(residual())


def test_etd_is_the_dropped_original(module: Module, residual: Problems) -> None:
    problem = residual()
    result = module("etd").ETD().unlearn(problem).state_dict()
    assert all(torch.equal(tensor, result[name]) for name, tensor in problem.original_weights.items())
