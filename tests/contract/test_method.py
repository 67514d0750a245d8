"""What a submission is handed behaves as its documentation says."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import nn

from tests.contract.pictures import image_set
from unlearnbench import (
    Budget,
    ImageSet,
    Problem,
    Recipe,
    UnlearningMethod,
    frozen_batchnorm,
    predict,
    set_rate,
    warmup_then_decay,
)
from unlearnbench.contract.classifier import outputs
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.training import train


@pytest.fixture
def problem() -> Problem:
    torch.manual_seed(0)
    weights = ResNet9(3, width=0.05).state_dict()
    return Problem(
        train=image_set(),
        forget_positions=torch.tensor([1, 7]),
        classes=3,
        budget=Budget(steps=3, batch_size=4, learning_rate=0.1),
        recipe=Recipe(steps=3, batch_size=4, peak_learning_rate=0.1),
        device=torch.device("cpu"),
        generator=torch.Generator(),
        new_model=lambda: ResNet9(3, width=0.05),
        original_weights=weights,
        trainer=train,
    )


def test_forget_and_retain_part_the_training_set(problem: Problem) -> None:
    assert problem.forget.ids.tolist() == [1, 7]
    assert problem.retain.ids.tolist() == [0, 2, 3, 4, 5, 6, 8, 9]
    assert torch.equal(problem.forget.images, problem.train.images[[1, 7]])
    assert problem.corrupted is None


def test_every_original_is_a_fresh_copy(problem: Problem) -> None:
    first = problem.original()
    nn.init.zeros_(first.get_parameter("linear.weight"))
    assert problem.original().get_parameter("linear.weight").abs().sum() > 0
    assert first.training


def test_the_selection_score_is_the_published_rule(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {2: 0.6, 8: 0.9}  # by size: forget and retain
    monkeypatch.setattr(Problem, "accuracy", lambda self, model, images: values[len(images)])
    assert problem.selection_score(problem.original()) == pytest.approx(0.9 * 0.4)
    values[2] = 0.1
    assert problem.selection_score(problem.original()) == pytest.approx(0.9 * 0.8)


def test_the_selection_score_may_look_at_a_part_of_what_is_left(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {2: 0.6, 8: 0.9, 5: 0.5, 0: 0.7}
    monkeypatch.setattr(Problem, "accuracy", lambda self, model, images: values[len(images)])
    part = problem.retain.sample(5)
    assert problem.selection_score(problem.original(), part) == pytest.approx(0.5 * 0.4)
    assert problem.selection_score(problem.original(), samples=None) == pytest.approx(0.9 * 0.4)
    nothing = problem.retain.sample(0)  # a set without samples is not all of D_r
    assert problem.selection_score(problem.original(), nothing) == pytest.approx(0.7 * 0.4)


@pytest.mark.parametrize("name", ["linear.weight", "conv1.norm.running_var"])
def test_a_model_that_is_not_finite_scores_0(problem: Problem, name: str) -> None:
    model = problem.original()
    model.state_dict()[name].fill_(float("nan"))
    assert problem.selection_score(model) == 0.0
    assert not list(problem.until_forgotten(model, 5, min_passes=3))


def forgets(accuracies: list[float], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let Acc(D_f) have these values, one after the other; gives a list of the sizes of the sets that were measured."""
    measured: list[int] = []
    left = iter(accuracies)

    def accuracy(self: Problem, model: nn.Module, images: ImageSet) -> float:
        measured.append(len(images))
        return next(left)

    monkeypatch.setattr(Problem, "accuracy", accuracy)
    return measured


@pytest.mark.parametrize(
    ("accuracies", "max_passes", "min_passes", "passes", "measurements"),
    [
        ([0.9, 0.5, 0.2], 10, 0, 2, 3),  # at the threshold it is forgotten
        ([0.9, 0.5, 0.3], 3, 0, 3, 3),  # the budget is spent
        ([0.1], 10, 0, 0, 1),
        ([0.1], 10, 1, 1, 1),  # the first pass is made without a look
        ([0.5, 0.1], 10, 2, 3, 2),
        ([], 0, 0, 0, 0),
        ([], 2, 5, 2, 0),  # never more than max_passes
    ],
)
def test_until_forgotten_counts_the_passes_that_are_due(
    problem: Problem,
    monkeypatch: pytest.MonkeyPatch,
    accuracies: list[float],
    max_passes: int,
    min_passes: int,
    passes: int,
    measurements: int,
) -> None:
    measured = forgets(accuracies, monkeypatch)
    assert list(problem.until_forgotten(problem.original(), max_passes, min_passes=min_passes)) == list(range(passes))
    assert measured == [2] * measurements


def test_until_forgotten_ends_when_a_pass_broke_the_model(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    forgets([0.9] * 9, monkeypatch)
    model, passes = problem.original(), []
    for number in problem.until_forgotten(model, 9, min_passes=9):
        passes.append(number)
        if number == 1:
            nn.init.constant_(model.get_parameter("linear.weight"), float("inf"))
    assert passes == [0, 1]


@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize(("given", "rate"), [(None, 0.1), (0.0, 0.0), (0.5, 0.5)])
def test_a_rate_of_zero_is_a_rate(
    problem: Problem, kind: Literal["sgd", "adam"], given: float | None, rate: float
) -> None:
    problem = replace(problem, recipe=replace(problem.recipe, optimizer=kind, weight_decay=0.0))
    assert problem.rate(given) == rate
    model = problem.original()
    update = problem.optimizer(model, given)
    assert [group["lr"] for group in update.param_groups] == [rate]
    before = model.get_parameter("linear.weight").clone()
    model(next(problem.train.batches()).images).sum().backward()
    update.step()
    assert torch.equal(model.get_parameter("linear.weight"), before) is (rate == 0)


def test_set_rate_is_for_all_parameters_and_leaves_the_momentum(problem: Problem) -> None:
    model = problem.original()
    update = problem.optimizer(model)
    update.add_param_group({"params": [nn.Parameter(torch.ones(1))], "lr": 0.7})
    model(next(problem.train.batches()).images).sum().backward()
    update.step()
    momentum = {name: update.state[p]["momentum_buffer"].clone() for name, p in model.named_parameters()}
    set_rate(update, 0.0)
    assert [group["lr"] for group in update.param_groups] == [0.0, 0.0]
    for name, parameter in model.named_parameters():
        assert torch.equal(update.state[parameter]["momentum_buffer"], momentum[name]), name


def test_the_shape_of_the_schedule() -> None:
    assert [warmup_then_decay(step, 5, 0.4, 0.5) for step in range(5)] == pytest.approx([1 / 3, 2 / 3, 1, 0.9, 0.8])
    assert {warmup_then_decay(step, 7, 0.0, 1.0) for step in range(7)} == {1.0}


def test_outputs_are_what_enters_the_last_layer_and_what_leaves_it(problem: Problem) -> None:
    model = problem.original()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    features, logits = problem.outputs(model, problem.train)
    assert model.training
    assert not features.requires_grad
    assert not logits.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert (features.shape, logits.shape) == ((10, model.head.in_features), (10, 3))
    torch.testing.assert_close(model.head(features), logits)
    expected = model.eval()(problem.train.pipeline.normalised(problem.train.images))
    torch.testing.assert_close(logits, expected)
    turned = problem.train.take(torch.arange(9, -1, -1))
    torch.testing.assert_close(problem.outputs(model, turned)[0], features.flip(0))


def test_outputs_of_many_batches_are_those_of_one(problem: Problem) -> None:
    model, source = problem.original(), problem.train
    whole = outputs(model, source.images, source.pipeline)
    parts = outputs(model, source.images, source.pipeline, batch_size=3)
    for one, two in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(("shared", "times"), [(0.25, 4), (0.5, 2), (0.9, 10 / 9)])
def test_the_expanded_original_has_the_channels_that_its_recipe_leaves(
    problem: Problem, shared: float, times: float
) -> None:
    problem = replace(problem, recipe=replace(problem.recipe, shared=shared))
    small, wide = problem.original(), problem.expanded_original()
    assert wide.groups == tuple(round(times * group) for group in small.groups)
    assert all(torch.equal(tensor, small.state_dict()[name]) for name, tensor in small.corner_of(wide).items())


def test_frozen_batchnorm_leaves_statistics_alone_and_restores_the_mode(problem: Problem) -> None:
    model, batch = problem.original(), next(problem.train.batches())
    with frozen_batchnorm(model):
        model(batch.images).sum().backward()
    assert torch.equal(model.get_buffer("conv1.norm.running_mean"), torch.zeros(3))
    model(batch.images)
    assert not torch.equal(model.get_buffer("conv1.norm.running_mean"), torch.zeros(3))


def test_predicting_inside_frozen_batchnorm_leaves_it_frozen(problem: Problem) -> None:
    model = problem.original()
    with frozen_batchnorm(model):
        problem.accuracy(model, problem.train)
        model(next(problem.train.batches()).images)
    assert torch.equal(model.get_buffer("conv1.norm.running_mean"), torch.zeros(3))


@pytest.mark.parametrize("training", [True, False])
def test_predict_evaluates_and_restores_the_mode(problem: Problem, training: bool) -> None:
    model = problem.original().train(training)
    source = problem.train
    classes = predict(model, source.images, source.pipeline, batch_size=3)
    assert model.training is training
    assert torch.equal(classes, model.eval()(source.pipeline.normalised(source.images)).argmax(1))
    assert problem.accuracy(model, source) == pytest.approx(float((classes == source.labels).float().mean()))


@pytest.mark.parametrize("name", ["entry", "title", "role"])
def test_no_hyperparameter_has_a_name_that_submission_toml_uses(name: str) -> None:
    with pytest.raises(TypeError, match=f"Mine: hyperparameter name '{name}' is reserved in submission.toml"):
        type("Mine", (UnlearningMethod,), {"__annotations__": {name: str}})
