"""What a corruption is: which samples it changes, which wrong labels it gives, where healing and utility are measured.

See docs/protocol.md, section 2. The harness's own corruptions are in `problems.corruptions`. Suites name corruptions by
`names.CORRUPTIONS`, which installed packages add to. With `paper=True` a corruption follows the published code instead
of the corrected protocol: a label swap may return the true label, the target class may be poisoned and is in the
triggered test set, and a class swap takes the first images of each class instead of random ones.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from unlearnbench.contract.recipe import STRICT
from unlearnbench.errors import UsageError
from unlearnbench.problems.names import CORRUPTIONS
from unlearnbench.problems.specification import validated

Indices = NDArray[np.int64]
Labels = NDArray[np.int64]
Images = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Regularity = Literal["low", "medium", "high"]
REGULARITIES: tuple[Regularity, ...] = ("low", "medium", "high")
SHARED = ("class_pair", "target_class", "trigger_size", "paper")
"""Parameters that a suite sets for all its corruptions."""
SUITE_WIDE = ("trigger_size", "paper")
"""Those that no corruption may have otherwise: trials see the size of the corner that stays in place."""


@dataclass(frozen=True)
class CleanSet:
    """The training set without corruption.

    Attributes:
        images: uint8 [N, C, S, S].
        labels: int64 [N], the true labels.
        classes: number of classes.
        given: int64 [N], the labels that came with the data, some of them wrong. None if no table of them is known.
    """

    images: Images
    labels: Labels
    classes: int
    given: Labels | None = None


@dataclass(frozen=True)
class Corruption(ABC):
    """Base class of corruptions: frozen dataclasses whose fields, all with defaults, are the parameters.

    A suite sets them in `[corruption.parameters.NAME]`. Fields called `class_pair`, `target_class`, `trigger_size` and
    `paper` get the suite's own settings first. What a name and its parameters draw never changes: keys of records rest
    on it. Images are uint8 [N, C, S, S] and labels int64 [N]; neither may be modified.
    """

    __pydantic_config__: ClassVar = STRICT

    title: ClassVar[str]
    regularity: ClassVar[Regularity]
    triggered: ClassVar[bool] = False
    """Whether corrupted images carry a pattern. Test healing is then measured on test images with the pattern."""
    planted: ClassVar[bool] = True
    """False if the data say what is corrupted, so that `corruption.size` does not."""

    @abstractmethod
    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        """Choose the samples to corrupt and their wrong labels, from the clean training set.

        Returns:
            Positions int64 [count], distinct, in any order, and their labels int64 [count], from 0 to
            `clean.classes` - 1. All randomness comes from `random`.

        Raises:
            UsageError: the training set has too few samples to choose from.
        """

    def apply(self, images: Images, random: RandomState) -> Images:
        """The images with the pattern, in stored pixels: a new array of the same shape. Used if `triggered`.

        `random` is in the same state for training and test images, so a pattern that is drawn first is the same. Trials
        augment images afterwards: a pattern moves with its image, except in the corner of `trigger_size` pixels.
        """
        return images

    def corrupted_test(self, images: Images, labels: Labels, clean: CleanSet) -> Labels:
        """The wrong label that the corruption would give to these clean test images, or -1 if it gives none.

        `clean` is the training set that it draws from.
        """
        return np.full_like(labels, -1)

    def healed_test(self, images: Images, labels: Labels) -> Mask:
        """Mask of the test images that healing is measured on, bool [N]."""
        return np.ones(len(labels), dtype=np.bool_)

    def utility_test(self, images: Images, labels: Labels) -> Mask:
        """Mask of the clean test images that utility is measured on, bool [N]."""
        return np.ones(len(labels), dtype=np.bool_)


def choose(pool: Indices, count: int, random: RandomState, what: str) -> Indices:
    """Draw `count` positions of a pool, sorted.

    Raises:
        UsageError: the pool is smaller.
    """
    if count > len(pool):
        raise UsageError(f"cannot corrupt {count} samples: there are only {len(pool)} {what}; lower corruption.size")
    return np.sort(random.permutation(pool)[:count])


def kind_of(name: str) -> type[Corruption]:
    """The class of a corruption, given as NAME or NAME/VARIANT.

    Raises:
        UsageError: there is none, or it does not derive from `Corruption`.
    """
    kind = CORRUPTIONS.find(name.partition("/")[0])
    if not (
        isinstance(kind, type) and issubclass(kind, Corruption) and getattr(kind, "regularity", None) in REGULARITIES
    ):
        raise UsageError(
            f"installed corruption '{name}' must be a class that derives from Corruption, with a regularity"
        )
    return kind


def corruption_of(name: str, settings: Mapping[str, Any], parameters: Mapping[str, Any]) -> Corruption:
    """The corruption of this name.

    Args:
        settings: at least those of `SHARED`. A corruption takes those that it has.
        parameters: those of this corruption alone.

    Raises:
        UsageError: a parameter is unknown or invalid.
    """
    kind = kind_of(name)
    for key in SUITE_WIDE:
        if key in parameters:
            raise UsageError(
                f"corruption.parameters.{name}: {key} is the same for all corruptions of a suite: remove it"
            )
    own = {field.name for field in fields(kind)}
    taken = {key: settings[key] for key in SHARED if key in own}
    return validated(kind, {**taken, **parameters}, f"corruption.parameters.{name}")


@dataclass(frozen=True)
class CorruptedSet:
    """D_tr and its ground truth.

    Attributes:
        images: uint8 [N, C, S, S], as trained on.
        labels: int64 [N], as trained on.
        true_labels: int64 [N].
        corrupted: D_m, sorted positions, int64.
        found: the found set, sorted positions, int64, if the data say which it was. None if it is drawn.
    """

    images: Images
    labels: Labels
    true_labels: Labels
    corrupted: Indices
    found: Indices | None = None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the images and labels as trained on."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class CleanTest:
    """The clean test set, and what a corruption says about it.

    Attributes:
        labels: int64 [N], the true labels.
        wrong: int64 [N], `Corruption.corrupted_test`.
        healed: bool [N], `Corruption.healed_test`.
        utility: bool [N], `Corruption.utility_test`.
    """

    labels: Labels
    wrong: Labels
    healed: Mask
    utility: Mask


def clean_test(corruption: Corruption, images: Images, labels: Labels, clean: CleanSet) -> CleanTest:
    """Ask a corruption about test images uint8 [N, C, S, S] and their true labels int64 [N].

    Args:
        clean: the training set that it draws from.
    """
    wrong = corruption.corrupted_test(images, labels, clean)
    return CleanTest(labels, wrong, corruption.healed_test(images, labels), corruption.utility_test(images, labels))


def corrupt(
    corruption: Corruption, clean: CleanSet, count: int, random: RandomState, pattern: RandomState
) -> CorruptedSet:
    """Corrupt `count` samples. Does not modify its inputs, but shares images with the result if none changes.

    Args:
        random: the stream of positions and labels.
        pattern: the stream of the pattern.

    Raises:
        UsageError: what the corruption draws is not what `Corruption.draw` has to return, or its pattern changes
            nothing.
    """
    images, true_labels, classes = clean.images, clean.labels, clean.classes
    drawn, wrong = corruption.draw(
        replace(clean, images=_read_only(images), labels=_read_only(true_labels)), count, random
    )
    corrupted, first = np.unique(np.asarray(drawn), return_index=True)
    if not (
        len(corrupted) == len(drawn) == len(wrong) == count
        and 0 <= corrupted[0] <= corrupted[-1] < len(true_labels)
        and 0 <= np.min(wrong) <= np.max(wrong) < classes
    ):
        raise UsageError(
            f"corruption {type(corruption).__name__} must draw {count} different positions below {len(true_labels)} and"
            f" as many labels from 0 to {classes - 1}: correct its parameters or its `draw`"
        )
    labels = true_labels.copy()
    labels[corrupted] = wrong[first]
    if corruption.triggered:
        patterned = with_pattern(corruption, images[corrupted], pattern)
        if np.array_equal(patterned, images[corrupted]):
            raise UsageError(
                f"the pattern of corruption {type(corruption).__name__} changes no pixel of {count} images of side"
                f" {images.shape[-1]}: give it other parameters"
            )
        images = images.copy()
        images[corrupted] = patterned
    return CorruptedSet(images, labels, true_labels, corrupted)


def with_pattern(corruption: Corruption, images: Images, pattern: RandomState) -> Images:
    """Images with the pattern of a corruption.

    Raises:
        UsageError: they are not uint8 images of the same shape.
    """
    result = corruption.apply(_read_only(images), pattern)
    if result.dtype != np.uint8 or result.shape != images.shape:
        raise UsageError(
            f"corruption {type(corruption).__name__}: `apply` must return uint8 {list(images.shape)},"
            f" not {result.dtype} {list(result.shape)}"
        )
    return result


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
