"""Corruptions: which samples they change, which wrong labels they give, and where healing and utility are measured.

See docs/protocol.md, section 2. Each corruption is a class in `CORRUPTIONS`. Its output depends only on the true
labels, a size and a random stream. With `paper=True` a corruption follows the published code instead of the corrected
protocol: a label swap may return the true label, the target class may be poisoned and is in the triggered test set,
and a class swap takes the first images of each class instead of random ones.
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
    """A copy of images uint8 [N, C, S, S] with a white square of `size` x `size` pixels in the bottom-right corner."""
    result = images.copy()
    result[:, :, -size:, -size:] = 255
    return result


@dataclass(frozen=True)
class Corruption(ABC):
    """Base class of corruptions. All take the same settings, and each uses those it needs."""

    class_pair: tuple[int, int] = (3, 5)
    target_class: int = 0
    trigger_size: int = 3
    paper: bool = False

    name: ClassVar[str]
    title: ClassVar[str]
    regularity: ClassVar[Regularity]
    triggered: ClassVar[bool] = False
    """Whether corrupted images carry the trigger. Test healing is then measured on triggered images."""

    @abstractmethod
    def candidates(self, labels: Labels, count: int, random: RandomState) -> Indices:
        """Positions of the samples to corrupt: int64 [count], distinct."""

    @abstractmethod
    def wrong_labels(self, labels: Labels, classes: int, random: RandomState) -> Labels:
        """Corrupted labels for samples with these true labels, int64 of the same shape."""

    def corrupted_test(self, labels: Labels) -> Labels:
        """The label that the corruption would give to test images with these true labels, or -1 if it gives none."""
        return np.full_like(labels, -1)

    def healed_test(self, labels: Labels) -> Mask:
        """Mask of the test images that healing is measured on, bool [N]."""
        return np.ones(len(labels), dtype=np.bool_)

    def utility_test(self, labels: Labels) -> Mask:
        """Mask of the clean test images that utility is measured on, bool [N]."""
        return np.ones(len(labels), dtype=np.bool_)


def draw(pool: Indices, count: int, random: RandomState, what: str) -> Indices:
    if count > len(pool):
        raise UsageError(f"cannot corrupt {count} samples: there are only {len(pool)} {what}; lower corruption.size")
    return np.asarray(random.permutation(pool)[:count])


class RandomSwap(Corruption):
    """Give random samples a wrong label, drawn uniformly from the other classes."""

    name, title, regularity = "random-swap", "random label swap", "low"

    def candidates(self, labels: Labels, count: int, random: RandomState) -> Indices:
        return draw(np.arange(len(labels)), count, random, "training samples")

    def wrong_labels(self, labels: Labels, classes: int, random: RandomState) -> Labels:
        # The published code may draw a shift of zero, which leaves about 10% of the labels unchanged.
        shift = random.randint(0 if self.paper else 1, classes, size=len(labels))
        return np.asarray((labels + shift) % classes)


class ClassSwap(Corruption):
    """Swap the labels of two classes a and b: half of the samples are images of a labelled b, half the reverse."""

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
    """Give random samples a white square in the bottom-right corner and the label of the target class."""

    name, title, regularity, triggered = "poison-trigger", "poison trigger", "high", True

    def candidates(self, labels: Labels, count: int, random: RandomState) -> Indices:
        pool = np.arange(len(labels)) if self.paper else np.flatnonzero(labels != self.target_class)
        return draw(pool, count, random, f"training samples outside target class {self.target_class}")

    def wrong_labels(self, labels: Labels, classes: int, random: RandomState) -> Labels:
        return np.full_like(labels, self.target_class)

    def corrupted_test(self, labels: Labels) -> Labels:
        return np.where(labels == self.target_class, -1, self.target_class)

    def healed_test(self, labels: Labels) -> Mask:
        # The published code includes the target class, on which a working trigger still yields the true label.
        return super().healed_test(labels) if self.paper else np.asarray(labels != self.target_class)


CORRUPTIONS: dict[str, type[Corruption]] = {kind.name: kind for kind in (RandomSwap, ClassSwap, PoisonTrigger)}


@dataclass(frozen=True)
class CorruptedSet:
    """D_tr and its ground truth.

    Attributes:
        images: uint8 [N, C, S, S], as trained on.
        labels: int64 [N], as trained on.
        true_labels: int64 [N].
        corrupted: D_m, sorted positions, int64.
    """

    images: Images
    labels: Labels
    true_labels: Labels
    corrupted: Indices

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the images and labels as trained on."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


def corrupt(
    corruption: Corruption, images: Images, true_labels: Labels, classes: int, count: int, random: RandomState
) -> CorruptedSet:
    """Corrupt `count` samples. Does not modify its inputs, but shares `images` with the result if none changes."""
    corrupted = np.sort(corruption.candidates(true_labels, count, random))
    labels = true_labels.copy()
    labels[corrupted] = corruption.wrong_labels(true_labels[corrupted], classes, random)
    if corruption.triggered:
        images = images.copy()
        images[corrupted] = trigger(images[corrupted], corruption.trigger_size)
    return CorruptedSet(images, labels, true_labels, corrupted)
