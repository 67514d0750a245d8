"""Original, retrain, fine-tune, gradient ascent and NPO against descriptions in float64 NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unlearnbench.engine.submissions import read
from unlearnbench.method import Batch, Classifier, ImageSet, Problem, Recipe

FOLDER = Path(__file__).parents[2] / "submissions"
Array = NDArray[np.float64]
Modules = Callable[[str], ModuleType]
Problems = Callable[..., Problem]
ALL = {
    "original": ("Original", "reference"),
    "retrain": ("Retrain", "reference"),
    "finetune": ("FineTune", "ranked"),
    "gradient_ascent": ("GradientAscent", "ranked"),
    "npo": ("NPO", "ranked"),
    "rem": ("REM", "ranked"),
}


@pytest.mark.parametrize("name", ALL)
def test_the_manifest_fits_the_class(name: str, module: Modules) -> None:
    submission = next(item for item in read(FOLDER / name) if item.variant == "default")
    assert (submission.entry, submission.role) == (f"method:{ALL[name][0]}", ALL[name][1])
    assert not submission.needs_corrupted_indices
    method = getattr(module(name), ALL[name][0])
    assert method(**submission.hyperparameters) == method()


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(
    name: str, module: Modules, residual: Problems
) -> None:
    method = getattr(module(name), ALL[name][0])()
    first, second, other = (method.unlearn(residual(batch_size=4, seed=seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert (name == "original") == all(torch.equal(first[key], other[key]) for key in first)


def test_original_is_the_original(module: Modules, residual: Problems) -> None:
    problem = residual()
    result = module("original").Original().unlearn(problem).state_dict()
    assert all(torch.equal(result[key], value) for key, value in problem.original_weights.items())


def test_retrain_trains_fresh_weights_on_the_retain_set_by_the_recipe(module: Modules, linear: Problems) -> None:
    seen: list[tuple[list[int], Recipe]] = []

    def trainer(model: Classifier, images: ImageSet, recipe: Recipe) -> None:
        assert not torch.equal(model.get_parameter("linear.weight"), problem.original_weights["linear.weight"])
        seen.append((images.ids.tolist(), recipe))

    problem = replace(linear(samples=40, forget=8), trainer=trainer)
    module("retrain").Retrain().unlearn(problem)
    assert seen == [(list(range(8, 40)), problem.recipe)]


# Softmax regression by hand. All samples fit into one batch, so that a pass is a step and the order does not matter.


def tensors(problem: Problem, images: ImageSet) -> tuple[Array, NDArray[np.int64]]:
    pixels = images.images.flatten(1).numpy().astype(np.float64) / 255
    return (pixels - problem.train.pipeline.mean[0]) / problem.train.pipeline.std[0], images.labels.numpy()


def log_softmax(weights: Array, x: Array) -> Array:
    logits = x @ weights.T
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def losses(weights: Array, x: Array, y: NDArray[np.int64]) -> Array:
    return np.asarray(-log_softmax(weights, x)[np.arange(len(y)), y])


def accuracy(weights: Array, x: Array, y: NDArray[np.int64]) -> float:
    return float((log_softmax(weights, x).argmax(axis=1) == y).mean())


def descent(problem: Problem, images: ImageSet, weight: Callable[[Array], Array]) -> Iterator[Array]:
    """The weights after each SGD step on sum_i weight_i l_i / B, where weight_i depends on l_i - l_ref,i."""
    x, y = tensors(problem, images)
    w = start = problem.original_weights["linear.weight"].numpy().astype(np.float64)
    velocity = np.zeros_like(w)
    while True:
        errors = np.exp(log_softmax(w, x)) - np.eye(3)[y]  # dl/dlogits, [B, 3]
        factor = weight(losses(w, x, y) - losses(start, x, y))
        gradient = (factor[:, None] * errors).T @ x / len(y)
        velocity = problem.recipe.momentum * velocity + gradient + problem.recipe.weight_decay * w
        w = w - problem.budget.learning_rate * velocity
        yield w


def result_of(method: object, problem: Problem) -> Array:
    model = method.unlearn(problem)  # type: ignore[attr-defined]
    return np.asarray(model.state_dict()["linear.weight"].numpy().astype(np.float64))


def test_finetune_is_sgd_on_the_retain_set_for_the_whole_budget(module: Modules, linear: Problems) -> None:
    problem = linear(steps=7)
    steps = descent(problem, problem.retain, np.ones_like)
    wanted = [next(steps) for _ in range(7)][-1]
    np.testing.assert_allclose(result_of(module("finetune").FineTune(), problem), wanted, atol=1e-5)


def npo_weight(beta: float) -> Callable[[Array], Array]:
    """Closed form of the derivative of -(2/beta) log sigmoid(beta d)."""
    return lambda difference: -2 / (1 + np.exp(beta * difference))


ASCENTS = {
    "gradient_ascent": ("GradientAscent", {}, lambda difference: -np.ones_like(difference)),
    "npo": ("NPO", {"beta": 1.0}, npo_weight(1.0)),
    "npo, large beta": ("NPO", {"beta": 5.0}, npo_weight(5.0)),
}


@pytest.mark.parametrize("stop_accuracy", [0.2, 0.5])
@pytest.mark.parametrize("max_passes", [1, 4, 10])
@pytest.mark.parametrize("case", ASCENTS)
def test_ascent_stops_and_selects_as_stated(
    case: str,
    max_passes: int,
    stop_accuracy: float,
    module: Modules,
    linear: Problems,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[int] = []

    def batches(self: ImageSet, *rest: int) -> Iterator[Batch]:
        done.append(len(self))
        return original_batches(self, *rest)

    entry, values, weight = ASCENTS[case]
    problem = linear(learning_rate=0.3, stop_accuracy=stop_accuracy, pretrain=150, samples=24, forget=8)
    forget, retain = tensors(problem, problem.forget), tensors(problem, problem.retain)
    steps = descent(problem, problem.forget, weight)
    wanted, best = problem.original_weights["linear.weight"].numpy().astype(np.float64), 0.0
    passes = 0
    while passes < max_passes:
        weights, passes = next(steps), passes + 1
        remembered = accuracy(weights, *forget)
        score = accuracy(weights, *retain) * (1 - max(remembered, stop_accuracy))
        if score > best:
            wanted, best = weights, score
        if remembered <= stop_accuracy:
            break
    original_batches = ImageSet.batches
    monkeypatch.setattr(ImageSet, "batches", batches)
    method = getattr(module(case.split(",")[0]), entry)(max_passes=max_passes, **values)
    np.testing.assert_allclose(result_of(method, problem), wanted, atol=1e-5)
    assert best > 0 or max_passes == 1
    assert done == [8] * passes


@pytest.mark.parametrize("name", ["gradient_ascent", "npo"])
def test_a_forget_set_that_is_forgotten_already_is_left_alone(name: str, module: Modules, linear: Problems) -> None:
    problem = linear(stop_accuracy=1.0)
    result = getattr(module(name), ALL[name][0])().unlearn(problem)
    assert torch.equal(result.state_dict()["linear.weight"], problem.original_weights["linear.weight"])


@pytest.mark.parametrize("name", ["gradient_ascent", "npo"])
def test_weights_that_overflow_are_not_returned(name: str, module: Modules, linear: Problems) -> None:
    problem = linear(learning_rate=float("inf"), stop_accuracy=0.0)
    assert np.isfinite(result_of(getattr(module(name), ALL[name][0])(), problem)).all()


@pytest.mark.parametrize("beta", [0.1, 1.0, 5.0])
def test_npo_gradient_weights_each_sample_by_its_closed_form(beta: float, module: Modules) -> None:
    reference = torch.tensor([0.0, 0.3, 2.0, 1.0], dtype=torch.float64)
    ahead = torch.tensor([0.0, 0.0, 1.5, -0.5], dtype=torch.float64)
    now = (reference + ahead).requires_grad_()
    module("npo").preference_loss(now, reference, beta).backward()
    assert now.grad is not None
    weights = -4 * now.grad  # the mean over 4 samples
    np.testing.assert_allclose(weights[:2], [1, 1], rtol=1e-12)  # at the start
    np.testing.assert_allclose(weights, 2 / (1 + np.exp(beta * ahead.numpy())), rtol=1e-12)
