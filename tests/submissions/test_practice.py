"""What practitioners do: detect and drop, learn confidently, prune. Rules against NumPy and planted samples.

And how NegGrad+ pairs its batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.submissions.arrays import SGD, accuracy, ce_gradient, inputs, original
from tests.submissions.references import confident_learning, detection
from unlearnbench import Classifier, ImageSet, Problem, Recipe
from unlearnbench.models import ModelSpec, build

Problems = Callable[..., Problem]
Module = Callable[..., ModuleType]


def half_found(problem: Problem) -> Problem:
    """Every other of the corrupted samples was discovered, the others are in D_r."""
    return replace(problem, forget_positions=problem.forget_positions[::2])


def trainings(problem: Problem) -> tuple[Problem, list[tuple[list[int], Recipe]]]:
    """The problem, and a list of what is trained from scratch: positions in D_tr, recipe."""
    seen: list[tuple[list[int], Recipe]] = []

    def trainer(model: Classifier, images: ImageSet, recipe: Recipe) -> None:
        seen.append((images.ids.tolist(), recipe))
        problem.trainer(model, images, recipe)

    return replace(problem, trainer=trainer), seen


def test_neggrad_plus_replays_the_forget_batches_of_a_pass(module: Module, residual: Problems) -> None:
    problem = residual(samples=96, forget=24)  # batches of 16: D_f has two a pass, D_r five
    drawn = list(islice(module("neggrad_plus").pairs(problem), 15))
    passes = [drawn[first : first + 5] for first in (0, 5, 10)]
    for one in passes:
        assert sorted(torch.cat([kept.ids for kept, _ in one]).tolist()) == list(range(24, 96))
        found = [batch for _, batch in one]
        assert sorted(torch.cat([batch.ids for batch in found[:2]]).tolist()) == list(range(24))
        assert found[2] is found[4] is found[0]
        assert found[3] is found[1]
    assert len({tuple(one[0][1].ids.tolist()) for one in passes}) == 3


@pytest.fixture
def transformer(residual: Problems) -> Problems:
    """Makes a problem whose model is a small transformer, not trained."""

    def make(**changes: int) -> Problem:
        def new_model() -> Classifier:
            return build(ModelSpec("vit", classes=3, channels=1, image_size=16, width=1 / 16, capacity=1.0))

        torch.manual_seed(0)
        return replace(residual(**changes), new_model=new_model, original_weights=new_model().state_dict())

    return make


# Detection


@pytest.mark.parametrize(("components", "price"), [(5, 0.5), (32, 0.05)])
@pytest.mark.parametrize("kind", ["linear", "residual"])
def test_detection_drops_what_a_plain_reading_drops(
    kind: str, components: int, price: float, module: Module, request: pytest.FixtureRequest
) -> None:
    problem = half_found(request.getfixturevalue(kind)(samples=48, forget=16, pretrain=60))
    left = module("detect_retrain").DetectRetrain(components=components, price=price).trusted(problem)
    assert left.ids.tolist() == detection.trusted(problem, components, price)


@pytest.mark.parametrize("kind", ["linear", "memorised"])
def test_look_alikes_are_dropped(kind: str, module: Module, request: pytest.FixtureRequest) -> None:
    problem = half_found(request.getfixturevalue(kind)(samples=60, forget=12))
    left = module("detect_retrain").DetectRetrain().trusted(problem).ids.tolist()
    assert len([i for i in left if i < 12]) <= 1, "of 6 that were not found"
    assert len([i for i in left if i >= 12]) >= 24, "of 48 that are clean"


def test_the_scores_are_those_of_regressions_without_the_sample(module: Module) -> None:
    random = np.random.default_rng(3)
    for samples, columns, known in ((30, 4, 2), (40, 60, 7), (25, 3, 24)):
        found = np.arange(samples) < known
        rows = random.normal(size=(samples, columns)) + found[:, None]
        scores = module("detect_retrain").left_out_scores(torch.tensor(rows), torch.tensor(found))
        np.testing.assert_allclose(scores.numpy(), detection.scores(rows, found), rtol=1e-6, atol=1e-8)


def normal_scores(mean: float, count: int) -> Tensor:
    """The quantiles of a normal distribution with deviation 0.1."""
    quantiles: Tensor = torch.special.ndtri((torch.arange(count, dtype=torch.float64) + 0.5) / count)
    return mean + 0.1 * quantiles


@pytest.mark.parametrize("undiscovered", [0, 1, 10, 60])
@pytest.mark.parametrize("known", [7, 40])
def test_the_threshold_finds_what_is_set_apart(known: int, undiscovered: int, module: Module) -> None:
    hidden, clean = normal_scores(1.0, undiscovered), normal_scores(-1.0, 1000)
    threshold = module("detect_retrain").threshold(normal_scores(1.0, known), torch.cat([clean, hidden]), 0.05)
    assert int((hidden >= threshold).sum()) >= 0.9 * undiscovered
    assert int((clean >= threshold).sum()) <= max(2, 0.2 * undiscovered)


def test_a_higher_price_drops_less(module: Module) -> None:
    others = torch.cat([normal_scores(0.1, 1000), normal_scores(0.3, 50)])
    thresholds = [module("detect_retrain").threshold(normal_scores(0.3, 20), others, 10.0**p) for p in range(-3, 2)]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]


def test_one_sample_is_no_distribution(module: Module, residual: Problems) -> None:
    assert module("detect_retrain").threshold(torch.ones(1), torch.ones(5), 0.05) == float("inf")
    assert module("detect_retrain").threshold(torch.zeros(3), torch.ones(5), 0.05) == float("inf")
    problem = residual(forget=1)
    assert module("detect_retrain").DetectRetrain().trusted(problem).ids.tolist() == list(range(1, 40))


def test_no_label_loses_more_than_its_share(module: Module, memorised: Problems) -> None:
    problem = half_found(memorised(samples=60, forget=16))
    for largest in (0.0, 0.2, 0.5):
        left = module("detect_retrain").DetectRetrain(price=1e-6, largest=largest).trusted(problem)
        before, after = problem.retain.labels.bincount(), left.labels.bincount()
        assert (before - after <= largest * before).all()
        assert (len(left) == len(problem.retain)) == (largest == 0)


def test_components_have_equal_variances_and_the_ranks_of_the_data(module: Module) -> None:
    random = torch.Generator().manual_seed(2)
    wide = torch.randn(50, 3, generator=random, dtype=torch.float64) @ torch.randn(3, 9, dtype=torch.float64)
    wide -= wide.mean(dim=0)
    for count in (1, 3, 9):
        found = module("detect_retrain").components(wide, count)
        wanted = torch.eye(min(count, 3), dtype=torch.float64) / min(count, 3)
        torch.testing.assert_close(found.T @ found / 50, wanted)


def test_what_is_left_is_trained_by_the_recipe(module: Module, memorised: Problems) -> None:
    problem, seen = trainings(half_found(memorised(samples=60, forget=16)))
    method = module("detect_retrain").DetectRetrain()
    method.unlearn(problem)
    assert seen == [(method.trusted(problem).ids.tolist(), problem.recipe)]


def test_layers_of_a_transformer_are_looked_at_too(module: Module, transformer: Problems) -> None:
    problem = half_found(transformer(samples=60, forget=16))
    values, losses = module("detect_retrain").activations(problem)
    width = problem.original().head.in_features
    assert values.shape[0] == len(losses) == 60
    assert values.shape[1] > 10 * width
    left = module("detect_retrain").DetectRetrain().trusted(problem).ids.tolist()
    assert set(left) <= set(problem.retain.ids.tolist())


def test_detect_finetune_end_to_end(module: Module, linear: Problems) -> None:
    problem = half_found(linear(samples=48, forget=16, pretrain=300, steps=5))
    result = module("detect_retrain", "finetune").DetectFinetune(learning_rate=0.1).unlearn(problem)
    left = problem.train.take(torch.tensor(detection.trusted(problem)))
    assert len(left) < len(problem.retain)
    weights, sgd = original(problem), SGD(problem, 0.1)
    for step in range(5):
        sgd.rate = 0.1 * (1 - 0.8 * step / 5)
        weights = sgd.step(weights, ce_gradient(weights, left))
    np.testing.assert_allclose(result.linear.weight.detach().numpy(), weights, rtol=1e-3, atol=1e-5)


# Confident learning


def test_label_errors_by_hand(module: Module) -> None:
    probabilities = torch.tensor(
        [
            [0.8, 0.2, 0.0],  # thresholds: (0.8 + 0.6 + 0.1) / 3 = 0.5
            [0.6, 0.4, 0.0],  # and (0.7 + 0.3) / 2 = 0.5; nobody carries label 2
            [0.1, 0.9, 0.0],  # another class
            [0.3, 0.7, 0.0],
            [0.4, 0.3, 0.3],  # sure of no class: no error
        ]
    )
    found = module("confident_learning").label_errors(probabilities, torch.tensor([0, 0, 0, 1, 1]))
    assert found.tolist() == [False, False, True, False, False]
    both = torch.tensor([[0.45, 0.55], [0.45, 0.55], [0.6, 0.4], [0.6, 0.4]])  # all over both thresholds or one
    assert module("confident_learning").label_errors(both, torch.tensor([0, 1, 1, 0])).tolist() == [
        *(True, False, True, False),
    ]


def test_label_errors_are_those_of_a_plain_reading(module: Module) -> None:
    random = np.random.default_rng(4)
    counts = []
    for classes in (2, 3, 10):
        probabilities = random.dirichlet([0.4] * classes, size=200)
        labels = np.array([random.choice(classes, p=p) for p in probabilities])
        found = module("confident_learning").label_errors(torch.tensor(probabilities), torch.tensor(labels))
        assert found.tolist() == confident_learning.errors(probabilities, labels)
        counts.append(int(found.sum()))
    assert all(0 < count < 150 for count in counts)


@pytest.mark.parametrize("folds", [2, 3])
def test_no_fold_is_judged_by_a_model_that_saw_it(folds: int, module: Module, linear: Problems) -> None:
    problem, seen = trainings(linear(samples=60, forget=12))
    module("confident_learning").ConfidentLearning(folds=folds).unlearn(problem)
    retain = set(problem.retain.ids.tolist())
    assert [recipe for _, recipe in seen] == [problem.recipe] * (folds + 1)
    left_out = [retain - set(ids) for ids, _ in seen[:-1]]
    assert set.union(*left_out) == retain
    assert sum(len(part) for part in left_out) == len(retain)
    assert all(set(ids) <= retain for ids, _ in seen)
    assert {len(part) for part in left_out} == {48 // folds}


def test_wrong_labels_that_were_not_found_are_dropped(module: Module, linear: Problems) -> None:
    problem, seen = trainings(half_found(linear(samples=120, forget=24, pretrain=100)))
    module("confident_learning").ConfidentLearning().unlearn(problem)
    kept = seen[-1][0]
    assert len([i for i in kept if i < 24]) <= 3, "of 12 that were not found"
    assert len([i for i in kept if i >= 24]) >= 60, "of 96 that are clean"


# Fine-Pruning


def test_pruning_goes_on_until_the_accuracy_falls(module: Module) -> None:
    head = torch.nn.Linear(4, 2, bias=False)
    head.weight.data = torch.tensor([[1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.0, 0.0]])
    features = torch.tensor([[2.0, 1.0, 9.0, 0.0], [1.0, 2.0, 9.0, 0.0], [0.9, 1.0, 9.0, 0.4], [0.2, 0.3, 9.0, 0.0]])
    labels, order = torch.tensor([0, 1, 0, 1]), torch.tensor([2, 3, 0, 1])
    cuts = [module("fine_pruning").pruned(features, labels, head, order, drop) for drop in (0.0, 0.2, 0.25, 0.5, 1.0)]
    assert [cut.tolist() for cut in cuts] == [[2], [2], [2, 3], [2, 3, 0], [2, 3, 0]]  # one channel always stays


@pytest.mark.parametrize("max_drop", [0.0, 0.04, 0.3, 1.0])
def test_pruned_channels_stay_cut_and_no_other_is(max_drop: float, module: Module, memorised: Problems) -> None:
    problem = memorised(steps=9)
    model = problem.original()
    features, _ = problem.outputs(model, problem.retain)
    order = features.abs().mean(dim=0).argsort()
    cut = module("fine_pruning").pruned(features, problem.retain.labels, model.head, order, max_drop).tolist()
    result = module("fine_pruning").FinePruning(max_drop=max_drop).unlearn(problem)
    assert [i for i in range(4) if (result.head.weight[:, i] == 0).all()] == sorted(cut)
    assert cut == order[: len(cut)].tolist()
    if max_drop == 1.0:
        assert len(cut) == 3
    weights = problem.original_weights["linear.weight"].clone()
    weights[:, cut] = 0
    model.head.weight.data = weights
    assert problem.accuracy(model, problem.retain) >= problem.accuracy(problem.original(), problem.retain) - max_drop


def test_fine_pruning_end_to_end(module: Module, linear: Problems) -> None:
    problem = linear(steps=4, weight_decay=0.01, pretrain=150)
    result = module("fine_pruning").FinePruning(learning_rate=0.1, max_drop=0.1).unlearn(problem)
    weights, retain = original(problem), problem.retain
    kept = np.ones(12)
    before = accuracy(weights, retain)
    for channel in np.abs(inputs(retain)).mean(axis=0).argsort()[:-1]:
        kept[channel] = 0
        if accuracy(weights * kept, retain) < before - 0.1:
            kept[channel] = 1
            break
    assert 0 < kept.sum() < 12
    weights, sgd = weights * kept, SGD(problem, 0.1)
    for _ in range(4):
        weights = sgd.step(weights, ce_gradient(weights, retain)) * kept
    np.testing.assert_allclose(result.linear.weight.detach().numpy(), weights, rtol=1e-3, atol=1e-5)


def test_fine_pruning_cuts_a_transformer(module: Module, transformer: Problems) -> None:
    result = module("fine_pruning").FinePruning(max_drop=1.0).unlearn(transformer())
    assert (result.head.weight != 0).any(dim=0).sum() == 1
