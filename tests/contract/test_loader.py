"""A loader is a real DataLoader with the harness's augmentation, and repeats with its seed."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from tests.contract.pictures import image_set
from unlearnbench import Budget, ImageSet
from unlearnbench.contract.loader import LabelledImages
from unlearnbench.errors import UsageError


def known(count: int = 10) -> ImageSet:
    """A set of which samples 1 and 7 are found."""
    return replace(image_set(count), forget=torch.tensor([1, 7]))


def dataset(loader: DataLoader[Any]) -> LabelledImages:
    assert isinstance(loader.dataset, LabelledImages)
    return loader.dataset


def joined(loader: DataLoader[Any]) -> list[Tensor]:
    return [torch.cat(column) for column in zip(*loader, strict=True)]


def test_a_plain_loader_gives_what_batches_gives() -> None:
    source = known()
    loader = source.loader(shuffle=False, augment=False)
    assert (len(loader), loader.batch_size, len(dataset(loader))) == (3, 4, 10)
    assert torch.equal(dataset(loader).targets, source.labels)
    for (images, labels), batch in zip(loader, source.batches(shuffle=False, augment=False), strict=True):
        assert torch.equal(images, batch.images)
        assert torch.equal(labels, batch.labels)
        assert labels.dtype is torch.int64


def test_a_pass_holds_every_sample_once_in_another_order_each_time() -> None:
    loader = known().loader(3, fields=("position",))
    first, second = joined(loader)[0].tolist(), joined(loader)[0].tolist()
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_batches_are_tuples_in_the_order_of_the_fields() -> None:
    loader = known().take(torch.arange(5, 10)).loader(2, fields=("found", "image", "position", "label"))
    found, images, positions, labels = joined(loader)
    assert torch.equal(labels, positions % 3)
    assert positions[found == 1].tolist() == [7]
    assert sorted(positions.tolist()) == [5, 6, 7, 8, 9]
    assert images.shape == (5, 3, 16, 16)


@pytest.mark.parametrize("fields", [("image", "target"), (), "image"])
def test_an_unknown_field_is_refused(fields: Any) -> None:
    with pytest.raises(UsageError, match=r"a tuple of image, label, position, found, not "):
        known().loader(fields=fields)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_augmentation_leaves_the_corner_and_repeats_with_the_seed(num_workers: int) -> None:
    source = known()
    plain = source.pipeline.normalised(source.images)

    def passes() -> list[Tensor]:
        loader = known().loader(5, fields=("image", "position"), num_workers=num_workers)
        found = []
        for _ in range(2):
            images, positions = joined(loader)
            assert torch.equal(images[:, :, -3:, -3:], plain[positions][:, :, -3:, -3:])
            assert not torch.equal(images, plain[positions])
            found.append(images[positions.argsort()])
        return found

    first, again = passes(), passes()
    assert not torch.equal(first[0], first[1]), "every pass is augmented anew"
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_workers_draw_crops_of_their_own() -> None:
    source = known().take(torch.tensor([0, 0, 0, 0, 0, 0]))
    one, other = source.loader(3, shuffle=False, fields=("image",), num_workers=2)
    assert not torch.equal(one[0], other[0])


def test_an_empty_set_has_no_batches() -> None:
    assert list(known().sample(0).loader()) == []


@pytest.mark.parametrize("kind", [np.array, torch.tensor, list])
def test_assigned_targets_are_the_labels(kind: Any) -> None:
    original = dataset(known().loader(augment=False))
    changed = copy.deepcopy(original)
    changed.targets = kind([2] * 10)
    assert [changed[index][1] for index in range(10)] == [2] * 10
    assert [original[index][1] for index in range(10)] == [index % 3 for index in range(10)]
    with pytest.raises(IndexError):  # so `for sample in dataset` ends
        original[10]


def test_other_loaders_and_wrappers_take_the_dataset() -> None:
    source = known()
    plain = dataset(source.loader(augment=False))
    image, label = plain[7]
    assert torch.equal(image, source.pipeline.normalised(source.images[7:8])[0])
    assert label == 1
    both: Dataset[Any] = ConcatDataset([Subset(plain, [3, 4]), Subset(plain, [7])])
    ((images, labels),) = DataLoader(both, batch_size=3)
    assert torch.equal(images, source.pipeline.normalised(source.images[[3, 4, 7]]))
    assert labels.tolist() == [0, 1, 1]


def test_a_split_parts_the_set_by_the_trial_s_generator() -> None:
    source = known(30)
    kept, held_out = source.split(0.1)
    assert (len(kept), len(held_out)) == (27, 3)
    assert sorted([*kept.ids.tolist(), *held_out.ids.tolist()]) == list(range(30))
    assert kept.ids.tolist() == sorted(kept.ids.tolist())
    assert torch.equal(held_out.labels, held_out.ids % 3)
    assert held_out.ids.tolist() == known(30).split(0.1)[1].ids.tolist()
    assert held_out.ids.tolist() != source.split(0.1)[1].ids.tolist()


@pytest.mark.parametrize("share", [0.0, 1.0, 10])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match=f"must be between 0 and 1, not {share}"):
        known().split(share)


@pytest.mark.parametrize(
    ("images", "passes"), [(50_000, 10), (50_177, 9), (512, 980), (513, 490), (10**7, 0), (1, 980), (0, 0)]
)
def test_epochs_are_the_passes_that_the_steps_allow(images: int, passes: int) -> None:
    assert Budget(steps=980, batch_size=512, learning_rate=0.1).epochs(images) == passes
