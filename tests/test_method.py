"""What a submission is handed behaves as its documentation says."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unlearnbench.method import Budget, ImageSet, Pipeline, Problem, Recipe, frozen_batchnorm, predict
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.training import train


def pictures(count: int, size: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(1, 255, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def image_set(count: int = 10, batch_size: int = 4) -> ImageSet:
    pipeline = Pipeline((0.5,) * 3, (0.25,) * 3, 2, True)
    labels = torch.arange(count) % 3
    return ImageSet(
        pictures(count), labels, torch.arange(count), pipeline, torch.Generator().manual_seed(0), batch_size
    )


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


def test_augmented_images_are_crops_of_the_padded_image_and_its_mirror() -> None:
    images = pictures(1)
    padded = nn.functional.pad(images, (2, 2, 2, 2))[0]
    crops = [padded[:, y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
    expected = {tuple(crop.flatten().tolist()) for crop in crops} | {tuple(c.flip(2).flatten().tolist()) for c in crops}
    pipeline = Pipeline((0.5,) * 3, (0.25,) * 3, 2, True, pinned=0)
    generator = torch.Generator().manual_seed(0)
    seen = {tuple(pipeline.augmented(images, generator).flatten().tolist()) for _ in range(800)}
    assert seen == expected  # all of the 50, and nothing else


def test_the_corner_stays_for_every_image_and_the_source_is_left_alone() -> None:
    images = pictures(50)
    kept = images.clone()
    result = Pipeline((0.5,) * 3, (0.25,) * 3, 4, True).augmented(images, torch.Generator().manual_seed(0))
    assert torch.equal(images, kept)
    assert torch.equal(result[:, :, -3:, -3:], images[:, :, -3:, -3:])
    assert not torch.equal(result, images)
    assert result.dtype is torch.uint8


def test_normalised() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    values = Pipeline((0.5,), (0.25,), 0, False).normalised(images)
    assert values.flatten().tolist() == pytest.approx([-2.0, 2.0])
    assert (
        Pipeline((0.5,) * 3, (0.25,) * 3, 0, False)
        .normalised(pictures(2))
        .is_contiguous(memory_format=torch.channels_last)
    )


def test_a_pass_holds_every_sample_once() -> None:
    source = image_set()
    batches = list(source.batches())
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(torch.cat([batch.ids for batch in batches]).tolist()) == list(range(10))
    assert all(torch.equal(batch.labels, batch.ids % 3) for batch in batches)


def test_steps_are_exact_over_passes() -> None:
    batches = list(image_set().batches(7))
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2, 4]
    first = torch.cat([batch.ids for batch in batches[:3]]).tolist()
    second = torch.cat([batch.ids for batch in batches[3:6]]).tolist()
    assert sorted(first) == sorted(second)
    assert first != second
    assert not list(image_set().take(torch.zeros(10, dtype=torch.bool)).batches(5))


def test_plain_batches_are_in_order_and_not_augmented() -> None:
    source = image_set()
    batch = next(source.batches(shuffle=False, augment=False))
    assert batch.ids.tolist() == [0, 1, 2, 3]
    assert torch.equal(batch.images, source.pipeline.normalised(source.images[:4]))


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
