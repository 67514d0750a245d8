"""The corruptions (docs/protocol.md, section 2): which samples, which wrong labels, and what healing is measured on.

Each is one small class in `CORRUPTIONS`. All are pure functions of true labels, a size and a random stream. With
`paper=True` they make the published choices instead of the corrected ones: label swaps that may hit the true label,
target-class samples among the poisoned and in the triggered test set, the first images of a class instead of random
ones.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from unlearnbench.errors import UsageError

Indices = NDArray[np.int64]
Labels = NDArray[np.int64]
Images = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Regularity = Literal["low", "medium", "high"]
REGULARITIES: tuple[Regularity, ...] = ("low", "medium", "high")


def trigger(images: Images, size: int) -> Images:
    """A copy of images [N, C, S, S] with the bottom-right size x size pixels of all channels at the largest value."""
    result = images.copy()
    result[:, :, -size:, -size:] = 255
    return result


@dataclass(frozen=True)
class Corruption(ABC):
    """What the suite sets for all corruptions; each uses what concerns it."""

    class_pair: tuple[int, int] = (3, 5)
    target_class: int = 0
    trigger_size: int = 3
    paper: bool = False

    name: ClassVar[str]
    title: ClassVar[str]
    regularity: ClassVar[Regularity]
    triggered: ClassVar[bool] = False
    """Whether corrupted images carry the trigger, so that test healing is measured on triggered images."""

    @abstractmethod
    def candidates(self, labels: Labels, count: int, random: RandomState) -> Indices:
        """The corrupted samples: `count` distinct positions."""

    @abstractmethod
    def wrong_labels(self, labels: Labels, classes: int, random: RandomState) -> Labels:
        """The labels that samples with these true labels get."""

    def corrupted_test(self, labels: Labels) -> Labels:
        """The wrong label that a test image with this true label would carry, -1 where there is no such label."""
        return np.full_like(labels, -1)

    def healed_test(self, labels: Labels) -> Mask:
        """The test images on which healing is measured."""
        return np.ones(len(labels), dtype=np.bool_)

    def utility_test(self, labels: Labels) -> Mask:
        """The clean test images on which utility is measured."""
        return np.ones(len(labels), dtype=np.bool_)


def draw(pool: Indices, count: int, random: RandomState, what: str) -> Indices:
    if count > len(pool):
        raise UsageError(f"{count} samples are to be corrupted, but there are only {len(pool)} {what}: lower the size")
    return np.asarray(random.permutation(pool)[:count])


class RandomSwap(Corruption):
    """Random samples; each label becomes another one, uniformly."""

    name, title, regularity = "random-swap", "random label swap", "low"

    def candidates(self, labels: Labels, count: int, random: RandomState) -> Indices:
        return draw(np.arange(len(labels)), count, random, "training samples")

    def wrong_labels(self, labels: Labels, classes: int, random: RandomState) -> Labels:
        # Published code leaves about 10% of the labels unchanged; without `paper` the shift is never zero.
        shift = random.randint(0 if self.paper else 1, classes, size=len(labels))
        return np.asarray((labels + shift) % classes)


class ClassSwap(Corruption):
    """Half of the samples are images of class a labelled b, half of class b labelled a (inter-class swap)."""

    name, title, regularity = "class-swap", "inter-class label swap", "medium"

    def candidates(self, labels: Labels, count: int, random: RandomState) -> Indices:
        parts = []
        for cls, size in zip(self.class_pair, (count - count // 2, count // 2), strict=True):
            pool = np.flatnonzero(labels == cls)
            chosen = draw(pool, size, random, f"training samples of class {cls}")
            parts.append(pool[:size] if self.paper else chosen)
        return np.concatenate(parts)

    def wrong_labels(self, labels: Labels, classes: int, random: RandomState) -> Labels:
        a, b = self.class_pair
        return np.where(labels == a, b, a)

    def corrupted_test(self, labels: Labels) -> Labels:
        a, b = self.class_pair
        return np.where(labels == a, b, np.where(labels == b, a, -1))

    def healed_test(self, labels: Labels) -> Mask:
        mask: Mask = np.isin(labels, self.class_pair)
        return mask

    def utility_test(self, labels: Labels) -> Mask:
        return ~self.healed_test(labels)


class PoisonTrigger(Corruption):
    """Random samples get a white square in the bottom-right corner and the label of the target class."""

    name, title, regularity, triggered = "poison-trigger", "poison trigger", "high", True

    def candidates(self, labels: Labels, count: int, random: RandomState) -> Indices:
        pool = np.arange(len(labels)) if self.paper else np.flatnonzero(labels != self.target_class)
        return draw(pool, count, random, f"training samples outside target class {self.target_class}")

    def wrong_labels(self, labels: Labels, classes: int, random: RandomState) -> Labels:
        return np.full_like(labels, self.target_class)

    def corrupted_test(self, labels: Labels) -> Labels:
        return np.where(labels == self.target_class, -1, self.target_class)

    def healed_test(self, labels: Labels) -> Mask:
        # Published code keeps the target class, whose images are given their true label even where the trigger works.
        return super().healed_test(labels) if self.paper else np.asarray(labels != self.target_class)


CORRUPTIONS: dict[str, type[Corruption]] = {kind.name: kind for kind in (RandomSwap, ClassSwap, PoisonTrigger)}


@dataclass(frozen=True)
class CorruptedSet:
    """D_tr and the truth about it: images uint8 [N, C, S, S], labels int64 [N], true labels, D_m (sorted)."""

    images: Images
    labels: Labels
    true_labels: Labels
    corrupted: Indices

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of D_tr: images and labels as trained on."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


def corrupt(
    corruption: Corruption, images: Images, true_labels: Labels, classes: int, count: int, random: RandomState
) -> CorruptedSet:
    """Corrupt `count` samples; the inputs are left alone, and images that stay as they are are shared with them."""
    corrupted = np.sort(corruption.candidates(true_labels, count, random))
    labels = true_labels.copy()
    labels[corrupted] = corruption.wrong_labels(true_labels[corrupted], classes, random)
    if corruption.triggered:
        images = images.copy()
        images[corrupted] = trigger(images[corrupted], corruption.trigger_size)
    return CorruptedSet(images, labels, true_labels, corrupted)
