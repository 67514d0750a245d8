"""Images, their augmentation and their batches are what their documentation says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.contract.pictures import image_set, pictures
from unlearnbench import Budget, Pipeline
from unlearnbench.errors import UsageError


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


def test_a_budget_without_augmentation_gives_plain_batches_unless_a_method_asks_for_others() -> None:
    plain = replace(image_set(), augment=False)
    (own,), (asked,) = ([next(source.batches(shuffle=False)).images] for source in (plain, image_set()))
    assert torch.equal(own, plain.pipeline.normalised(plain.images[:4]))
    assert torch.equal(own, next(iter(plain.loader(shuffle=False)))[0])
    assert torch.equal(own, next(plain.take(torch.arange(4)).batches(shuffle=False)).images), "and so do its subsets"
    again = replace(image_set(), augment=False)
    assert torch.equal(asked, next(again.batches(shuffle=False, augment=True)).images)
    assert not torch.equal(own, asked)


def test_plain_batches_are_in_order_and_not_augmented() -> None:
    source = image_set()
    batch = next(source.batches(shuffle=False, augment=False))
    assert batch.ids.tolist() == [0, 1, 2, 3]
    assert torch.equal(batch.images, source.pipeline.normalised(source.images[:4]))


@pytest.mark.parametrize(("count", "batch_size", "steps"), [(10, 4, 3), (8, 4, 2), (1, 4, 1), (0, 4, 0), (10, 10, 1)])
def test_steps_per_pass_are_the_batches_of_one_pass(count: int, batch_size: int, steps: int) -> None:
    source = image_set(count, batch_size)
    assert source.steps_per_pass == len(list(source.batches())) == steps


def test_no_steps_are_none_and_a_batch_of_nothing_is_refused() -> None:
    assert not list(image_set().batches(0))
    with pytest.raises(UsageError, match="the size of batches must be a whole number"):
        image_set().batches(batch_size=0)  # and not batches of the budget's size


def test_a_sample_is_a_part_of_the_set_from_its_own_stream() -> None:
    source = image_set()
    part, other = source.sample(4), source.sample(4)
    assert len(part) == len(set(part.ids.tolist())) == 4
    assert part.ids.tolist() != other.ids.tolist()  # the stream went on
    assert part.ids.tolist() == image_set().sample(4).ids.tolist()
    assert torch.equal(part.images, source.images[part.ids])
    assert torch.equal(part.labels, source.labels[part.ids])
    assert sorted(source.sample(99).ids.tolist()) == list(range(10))
    assert len(source.sample(0)) == 0


@pytest.mark.parametrize("value", [2.5, 2.0, -1, "2", float("inf"), torch.tensor(2.0), torch.tensor([1, 2])])
def test_what_is_no_whole_number_is_refused_at_once(value: Any) -> None:
    source, budget = image_set(), Budget(steps=10, batch_size=4, learning_rate=0.1)
    for call in (
        lambda: source.batches(value),
        lambda: source.batches(batch_size=value),
        lambda: source.loader(value),
        lambda: source.loader(num_workers=value),
        lambda: source.sample(value),
        lambda: budget.epochs(value),
    ):
        with pytest.raises(UsageError, match=r"must be a whole number \(int\) of at least [01], not "):
            call()


def test_whole_numbers_of_other_types_are_numbers() -> None:
    numbers: tuple[Any, ...] = (np.int64(2), torch.tensor(2))
    for value in numbers:
        assert len(list(image_set().batches(value))) == 2
        assert len(image_set().sample(int(value))) == 2
