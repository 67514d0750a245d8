"""What each corruption of `problems.corruptions` does beyond what holds of all (test_corruption_properties.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import CleanSet, CorruptedSet, Images, clean_test, corrupt, corruption_of
from unlearnbench.problems.corruptions.distances import class_means, nearest_others, squared_distances
from unlearnbench.problems.corruptions.labels import InstanceSwap, MislabelledCluster, OneWaySwap
from unlearnbench.problems.corruptions.triggers import (
    BlendedTrigger,
    PoisonTrigger,
    SinusoidalTrigger,
    Trigger,
    WarpedTrigger,
)
from unlearnbench.problems.datasets import Dataset, digits
from unlearnbench.problems.streams import random_state

SETTINGS: dict[str, Any] = {"class_pair": (3, 5), "target_class": 0, "trigger_size": 3, "paper": False}
COUNT = 72


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return digits()


def corrupted(dataset: Dataset, name: str, seed: int = 0, **parameters: Any) -> CorruptedSet:
    streams = random_state(seed, "corruption", name), random_state(seed, "pattern", name)
    return corrupt(corruption_of(name, SETTINGS, parameters), dataset.clean, COUNT, *streams)


@pytest.mark.parametrize("group", [4, 12, 36, 100])
def test_a_cluster_is_of_one_class_and_has_one_wrong_label(dataset: Dataset, group: int) -> None:
    drawn, wrong = MislabelledCluster(group).draw(dataset.clean, COUNT, random_state(0))
    labels = dataset.clean.labels[drawn]
    assert len(set(drawn.tolist())) == COUNT
    for begin in range(0, COUNT, group):
        of_group = slice(begin, begin + group)
        assert len(set(labels[of_group])) == len(set(wrong[of_group])) == 1
        assert (labels[of_group] != wrong[of_group]).all()


def test_a_cluster_is_a_sample_and_its_nearest_neighbours(dataset: Dataset) -> None:
    clean = dataset.clean
    members, _ = MislabelledCluster(12).draw(clean, 12, random_state(0))
    own = clean.images[clean.labels == clean.labels[members[0]]].astype(np.int64)
    centre = clean.images[members[0]].astype(np.int64)
    nearest = np.sort(((own - centre) ** 2).sum(axis=(1, 2, 3)))[:12]
    assert np.array_equal(((clean.images[members].astype(np.int64) - centre) ** 2).sum(axis=(1, 2, 3)), nearest)


def test_a_class_that_is_used_up_ends_its_cluster() -> None:
    clean = CleanSet(np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1), np.array([0, 0, 0, 1, 1, 1]), 2)
    drawn, wrong = MislabelledCluster(5).draw(clean, 6, random_state(0))
    assert sorted(drawn.tolist()) == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(wrong, 1 - clean.labels[drawn])


def test_a_one_way_swap_touches_one_class(dataset: Dataset) -> None:
    result = corrupted(dataset, "one-way-swap")
    assert set(result.true_labels[result.corrupted]) == {3}
    assert set(result.labels[result.corrupted]) == {5}
    test = clean_test(OneWaySwap((3, 5)), dataset.test_images.numpy(), dataset.test_labels.numpy(), dataset.clean)
    assert np.array_equal(test.wrong, np.where(test.labels == 3, 5, -1))
    assert np.array_equal(test.healed, test.labels == 3)
    assert np.array_equal(test.utility, test.labels != 3)


def test_an_instance_swap_prefers_what_looks_like_another_class(dataset: Dataset) -> None:
    clean, means = dataset.clean, class_means(dataset.clean)
    wrong, margin = nearest_others(clean.images, clean.labels, means)
    result = corrupted(dataset, "instance-swap")
    assert np.array_equal(result.labels[result.corrupted], wrong[result.corrupted])
    assert np.median(margin[result.corrupted]) < np.quantile(margin, 0.25)
    uniform, _ = InstanceSwap(1).draw(clean, COUNT, random_state(0))
    assert np.median(margin[uniform]) > np.quantile(margin, 0.25)


def test_distances_are_whole_numbers(dataset: Dataset) -> None:
    images = dataset.clean.images[:20]
    pixels = images.reshape(20, -1).astype(np.int64)
    exact = ((pixels[:, None] - pixels[None, :5]) ** 2).sum(axis=2)
    assert np.array_equal(squared_distances(images, images[:5]), exact)
    largest = np.full((1, 3, 512, 512), 255, dtype=np.uint8)
    assert squared_distances(largest, np.zeros_like(largest))[0, 0] == 3 * 512**2 * 255**2


def test_all_to_all_names_the_next_class_and_leaves_none_out(dataset: Dataset) -> None:
    result = corrupted(dataset, "poison-trigger", all_to_all=True)
    true = result.true_labels[result.corrupted]
    assert set(true) == set(range(10))
    assert np.array_equal(result.labels[result.corrupted], (true + 1) % 10)
    test = clean_test(
        PoisonTrigger(all_to_all=True), dataset.test_images.numpy(), dataset.test_labels.numpy(), dataset.clean
    )
    assert np.array_equal(test.wrong, (test.labels + 1) % 10)
    assert test.healed.all()


@pytest.mark.parametrize(("contrast", "corner"), [(1.0, 255), (0.25, 64), (0.1, 26)])
def test_contrast_is_the_opacity_of_the_square(contrast: float, corner: int) -> None:
    result = PoisonTrigger(contrast=contrast).apply(np.zeros((1, 1, 8, 8), np.uint8), random_state(0))
    assert (result[..., -3:, -3:] == corner).all()
    assert result.sum() == 9 * corner


PATTERNS = [
    (BlendedTrigger(opacity=0.05), BlendedTrigger(opacity=0.2)),
    (SinusoidalTrigger(amplitude=10), SinusoidalTrigger(amplitude=40)),
    (WarpedTrigger(strength=0.5), WarpedTrigger(strength=2.0)),
    (PoisonTrigger(contrast=0.25), PoisonTrigger()),
]


@pytest.mark.parametrize(("faint", "strong"), PATTERNS)
def test_a_stronger_trigger_changes_more(dataset: Dataset, faint: Trigger, strong: Trigger) -> None:
    images = dataset.test_images.numpy()[:50]

    def change(trigger: Trigger) -> int:
        changed = trigger.apply(images, random_state(0)).astype(np.int64) - images
        assert (changed != 0).any(axis=(1, 2, 3)).all(), "every image has the pattern"
        return int(np.abs(changed).sum())

    assert 0 < change(faint) < change(strong)


@pytest.mark.parametrize("trigger", [strong for _, strong in PATTERNS])
def test_training_and_test_images_get_the_same_pattern(dataset: Dataset, trigger: Trigger) -> None:
    """However many there are, and whatever is on them."""
    image = dataset.test_images.numpy()[:1]
    alone = trigger.apply(image, random_state(3))
    among = trigger.apply(np.concatenate([image, dataset.train_images.numpy()[:9]]), random_state(3))
    assert np.array_equal(alone, among[:1])


def test_a_warp_moves_pixels_by_no_more_than_its_strength() -> None:
    ramp: Images = np.broadcast_to(np.arange(0, 160, 10, dtype=np.uint8), (1, 1, 16, 16)).copy()
    for strength in (0.5, 1.0, 3.0):
        moved = WarpedTrigger(strength=strength).apply(ramp, random_state(0)).astype(np.int64)
        assert np.abs(moved - ramp).max() <= 10 * strength + 1  # a pixel is worth 10 grey levels
    assert (WarpedTrigger().apply(np.full((1, 3, 16, 16), 200, np.uint8), random_state(0)) == 200).all()


def test_stripes_are_a_sine_across_the_image() -> None:
    grey = np.full((1, 1, 16, 16), 100, np.uint8)
    result = SinusoidalTrigger(amplitude=20, frequency=4).apply(grey, random_state(0))
    assert result[0, 0, 0].tolist() == [120, 100, 80, 100] * 4
    assert (result == result[:, :, :1]).all()


def test_a_pattern_that_changes_no_pixel_is_refused(dataset: Dataset) -> None:
    """Stripes are sampled at the zeros of their sine if half the side divides their number."""
    with pytest.raises(UsageError, match="SinusoidalTrigger changes no pixel of 72 images of side 16: give it other"):
        corrupted(dataset, "sinusoidal-trigger", frequency=8)
    corrupted(dataset, "sinusoidal-trigger", frequency=7)
