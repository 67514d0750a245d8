"""SalUn and l1-sparse: which weights may move, and the penalty, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from arrays import SGD, ce_gradient, original

from unlearnbench.method import Problem

Problems = Callable[..., Problem]
Module = Callable[..., ModuleType]


def test_saliency_is_the_absolute_summed_gradient(module: Module, linear: Problems) -> None:
    problem = linear()
    found = module("salun").saliency(problem.original(), problem.forget)
    wanted = np.abs(8 * ce_gradient(original(problem), problem.forget)).ravel()
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-6)


def test_the_mask_is_the_largest_share(module: Module) -> None:
    values = torch.tensor([0.1, 5.0, 3.0, 0.2, 4.0, 0.0])
    assert module("salun").largest(values, 0.5).tolist() == [False, True, True, False, True, False]


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_only_salient_weights_move(share: float, module: Module, linear: Problems) -> None:
    problem = linear(weight_decay=0.1)  # would move every weight
    result = module("salun").SalUn(mask=share).unlearn(problem).linear.weight.detach().numpy()
    gradient = np.abs(ce_gradient(original(problem), problem.forget))
    salient = gradient >= np.sort(gradient.ravel())[-round(share * gradient.size)]
    before = problem.original_weights["linear.weight"].numpy()
    assert ((result != before) == salient).all()


def test_labels_of_the_forget_set_are_drawn_anew_and_those_of_the_retain_set_are_kept(
    module: Module, linear: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = linear(samples=60, forget=24, steps=30)
    seen: list[torch.Tensor] = []
    functional = module("salun").functional

    class Spy:
        @staticmethod
        def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, **other: str) -> torch.Tensor:
            if logits.requires_grad and not other:
                seen.append(labels.clone())
            loss: torch.Tensor = functional.cross_entropy(logits, labels, **other)
            return loss

    monkeypatch.setattr(module("salun"), "functional", Spy)
    module("salun").SalUn().unlearn(problem)
    random, kept = [labels for labels in seen if len(labels) == 24], [labels for labels in seen if len(labels) == 36]
    assert (len(random), len(kept)) == (30, 30)
    assert len({tuple(labels.tolist()) for labels in random}) == 30
    share = torch.cat(random).bincount(minlength=3) / (30 * 24)
    assert (share - 1 / 3).abs().max() < 0.08  # 720 draws: 4.5 deviations
    counts = problem.retain.labels.bincount()
    assert all(torch.equal(labels.bincount(), counts) for labels in kept)


def test_l1_sparse_end_to_end(module: Module, linear: Problems) -> None:
    problem = linear(steps=3, weight_decay=0.01)
    result = module("l1_sparse").L1Sparse(learning_rate=0.1, gamma=0.02).unlearn(problem)
    weights, sgd = original(problem), SGD(problem, 0.1)
    for epoch in range(3):  # one batch holds all of D_r, so a step is an epoch
        penalty = 0.02 * (1 - epoch / 3) * np.sign(weights)
        weights = sgd.step(weights, ce_gradient(weights, problem.retain) + penalty)
    np.testing.assert_allclose(result.linear.weight.detach().numpy(), weights, rtol=1e-3, atol=1e-5)
