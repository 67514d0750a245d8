"""The corruptions follow the protocol: counts, labels, patches, and the published variants under `paper`."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np
import pytest

from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import CorruptedSet, corrupt, corruption_of
from unlearnbench.problems.corruptions.triggers import PoisonTrigger
from unlearnbench.problems.datasets import Dataset, digits
from unlearnbench.problems.discovery import discover
from unlearnbench.problems.streams import random_state, stream

DEFAULTS: dict[str, Any] = {"class_pair": (3, 5), "target_class": 0, "trigger_size": 3, "paper": False}
PINNED = {
    "random-swap": "7cf4f515558613cd",
    "instance-swap": "60a0bcc72328e471",
    "class-swap": "296056aa3b744f53",
    "one-way-swap": "3956b99b030cf58c",
    "mislabelled-cluster": "c1477755ddd8c17b",
    "poison-trigger": "dbb7232ea0acd9a4",
    "blended-trigger": "7d0b249a3a6a0aa9",
    "sinusoidal-trigger": "47626e5ea4606390",
    "warped-trigger": "42d3192c42accf10",
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return digits()


def corrupted(dataset: Dataset, name: str, *, count: int = 72, seed: int = 0, paper: bool = False) -> CorruptedSet:
    streams = random_state(seed, "corruption", name), random_state(seed, "pattern", name)
    return corrupt(corruption_of(name, DEFAULTS | {"paper": paper}, {}), dataset.clean, count, *streams)


@pytest.mark.parametrize("name", PINNED)
def test_the_same_specification_gives_the_same_bytes(dataset: Dataset, name: str) -> None:
    result = corrupted(dataset, name)
    assert hashlib.sha256(result.images.tobytes() + result.labels.tobytes()).hexdigest()[:16] == PINNED[name]


@pytest.mark.parametrize("name", PINNED)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_exactly_the_corrupted_samples_changed_and_none_is_right(dataset: Dataset, name: str, seed: int) -> None:
    result = corrupted(dataset, name, seed=seed)
    true = dataset.train_labels.numpy()
    assert np.array_equal(result.true_labels, true)
    assert len(set(result.corrupted.tolist())) == 72
    assert np.array_equal(np.flatnonzero(result.labels != true), result.corrupted)
    touched = (result.images != dataset.train_images.numpy()).any(axis=(1, 2, 3))
    assert set(np.flatnonzero(touched)) <= set(result.corrupted.tolist())


def test_random_swap_uses_every_wrong_label(dataset: Dataset) -> None:
    result = corrupted(dataset, "random-swap", count=1000)
    shift = (result.labels - result.true_labels)[result.corrupted] % 10
    counts = np.bincount(shift, minlength=10)
    assert counts[0] == 0
    assert counts[1:].min() > 70  # 111 expected


def test_class_swap_is_half_and_half(dataset: Dataset) -> None:
    result = corrupted(dataset, "class-swap", count=71)
    pairs = list(zip(result.true_labels[result.corrupted], result.labels[result.corrupted], strict=True))
    assert (pairs.count((3, 5)), pairs.count((5, 3))) == (36, 35)


def test_the_trigger_is_white_in_the_corner_of_non_target_images(dataset: Dataset) -> None:
    result = corrupted(dataset, "poison-trigger")
    poisoned = result.images[result.corrupted]
    assert (poisoned[:, :, -3:, -3:] == 255).all()
    rest = dataset.train_images.numpy()[result.corrupted]
    assert np.array_equal(poisoned[:, :, :-3], rest[:, :, :-3])
    assert np.array_equal(poisoned[:, :, :, :-3], rest[:, :, :, :-3])
    assert (result.labels[result.corrupted] == 0).all()


def test_published_choices(dataset: Dataset) -> None:
    swap = corrupted(dataset, "random-swap", count=1000, paper=True)
    unchanged = (swap.labels == swap.true_labels)[swap.corrupted].mean()
    assert 0.07 < unchanged < 0.13
    poison = corrupted(dataset, "poison-trigger", count=1000, paper=True)
    assert 0.07 < (poison.true_labels[poison.corrupted] == 0).mean() < 0.13
    pair = corrupted(dataset, "class-swap", paper=True)
    true = dataset.train_labels.numpy()
    first = np.concatenate([np.flatnonzero(true == 3)[:36], np.flatnonzero(true == 5)[:36]])
    assert np.array_equal(pair.corrupted, np.sort(first))


def test_the_triggered_test_set_has_the_target_class_as_published_only() -> None:
    test = np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 3, 5, 0])
    assert PoisonTrigger().healed_test(*test).tolist() == [False, True, True, False]
    assert PoisonTrigger(paper=True).healed_test(*test).all()
    assert PoisonTrigger(target_class=3).healed_test(*test).tolist() == [True, False, True, True]
    for name in ("random-swap", "class-swap"):  # here `paper` changes what is corrupted only
        mine, published = (corruption_of(name, DEFAULTS | {"paper": paper}, {}) for paper in (False, True))
        assert np.array_equal(mine.healed_test(*test), published.healed_test(*test))
        assert np.array_equal(mine.utility_test(*test), published.utility_test(*test))


@pytest.mark.parametrize(("name", "words"), [("class-swap", "of class 3"), ("poison-trigger", "outside target class")])
def test_too_many_is_one_sentence(dataset: Dataset, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        corrupted(dataset, name, count=1437)


@pytest.mark.parametrize("count", [72, 1000])
def test_discovery_is_nested_and_exact(count: int) -> None:
    everything = np.arange(count) * 3
    sets = [set(discover(everything, rate / 10, seed=5).tolist()) for rate in range(1, 11)]
    assert [len(found) for found in sets] == [round(count * rate / 10) for rate in range(1, 11)]
    assert all(small < large for small, large in itertools.pairwise(sets))
    assert sets[-1] == set(everything.tolist())
    assert set(discover(everything, 0.1, seed=6).tolist()) != sets[0]


def test_independent_discovery_is_not_nested() -> None:
    everything = np.arange(1000)
    small, large = (set(discover(everything, rate, 5, independent=True).tolist()) for rate in (0.1, 0.2))
    assert not small <= large


def test_at_least_one_sample_is_discovered() -> None:
    assert len(discover(np.arange(3), 0.1, 0)) == 1


def test_streams_are_apart_and_pinned() -> None:
    assert stream(0, "unlearning") == 9107910188794259102
    names = [(0, ["a"]), (0, ["b"]), (1, ["a"]), (0, ["a", "b"]), (0, ["a/b"])]
    assert len({stream(seed, *path) for seed, path in names}) == 4  # "a/b" is the path of "a" and "b"
    assert random_state(0, "a").permutation(10).tolist() == [2, 1, 3, 9, 6, 8, 7, 5, 0, 4]
