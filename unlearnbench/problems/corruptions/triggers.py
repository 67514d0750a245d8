"""Triggers: a pattern on random images of all classes but the target, and the label of the target.

Patterns are whole numbers after the last rounding, so that they are the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.random import RandomState
from numpy.typing import NDArray

from unlearnbench.contract.recipe import Count
from unlearnbench.problems.corruption import CleanSet, Corruption, Images, Indices, Labels, Mask, choose

Opacity = Annotated[float, Ge(0.001), Le(1)]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Trigger(Corruption):
    """Base class: `apply` is the pattern."""

    regularity, triggered = "high", True

    target_class: int = 0

    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        pool = np.flatnonzero(clean.labels != self.target_class)
        chosen = choose(pool, count, random, f"training samples outside target class {self.target_class}")
        return chosen, np.full_like(chosen, self.target_class)

    def corrupted_test(self, images: Images, labels: Labels, clean: CleanSet) -> Labels:
        return np.where(labels == self.target_class, -1, self.target_class)

    def healed_test(self, images: Images, labels: Labels) -> Mask:
        return np.asarray(labels != self.target_class)


@dataclass(frozen=True)
class PoisonTrigger(Trigger):
    """A white square in the bottom-right corner, as BadNets (Gu et al., arXiv 1708.06733).

    Attributes:
        contrast: opacity of the square. The fainter, the less regular.
        all_to_all: each class gets the label of the next one instead of that of the target, and none is left out.
    """

    title = "poison trigger"

    trigger_size: int = 3
    paper: bool = False
    contrast: Opacity = 1.0
    all_to_all: bool = False

    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        if not (self.paper or self.all_to_all):
            return super().draw(clean, count, random)
        chosen = choose(np.arange(len(clean.labels)), count, random, "training samples")
        return chosen, self._label(clean.labels[chosen], clean)

    def apply(self, images: Images, random: RandomState) -> Images:
        result, corner = images.copy(), (..., slice(-self.trigger_size, None), slice(-self.trigger_size, None))
        result[corner] = blended(images[corner], 255, self.contrast)
        return result

    def corrupted_test(self, images: Images, labels: Labels, clean: CleanSet) -> Labels:
        wrong = self._label(labels, clean)
        return np.where(labels == wrong, -1, wrong)

    def healed_test(self, images: Images, labels: Labels) -> Mask:
        # The published code includes the target class, on which a working trigger still yields the true label.
        if self.paper or self.all_to_all:
            return np.ones(len(labels), dtype=np.bool_)
        return super().healed_test(images, labels)

    def _label(self, labels: Labels, clean: CleanSet) -> Labels:
        return (labels + 1) % clean.classes if self.all_to_all else np.full_like(labels, self.target_class)


@dataclass(frozen=True)
class BlendedTrigger(Trigger):
    """Noise, the same on all images, blended in (Chen et al., arXiv 1712.05526).

    Attributes:
        opacity: of the noise. The fainter, the less regular.
    """

    title = "blended trigger"

    opacity: Opacity = 0.1

    def apply(self, images: Images, random: RandomState) -> Images:
        return blended(images, random.randint(0, 256, images.shape[1:]), self.opacity)


@dataclass(frozen=True)
class SinusoidalTrigger(Trigger):
    """Vertical stripes whose brightness is a sine across the image (Barni et al., arXiv 1902.11237, with true labels).

    Attributes:
        amplitude: of the sine, in grey levels. The fainter, the less regular.
        frequency: number of stripes.
    """

    title = "sinusoidal trigger"

    amplitude: Annotated[float, Gt(0), Le(255)] = 20.0
    frequency: Count = 6

    def apply(self, images: Images, random: RandomState) -> Images:
        side = images.shape[-1]
        wave = self.amplitude * np.sin(2 * np.pi * self.frequency * np.arange(1, side + 1) / side)
        stripes = np.floor(wave.round(6) + 0.5).astype(np.int64)  # the last digits of a sine differ between machines
        result: Images = np.clip(images + stripes, 0, 255).astype(np.uint8)
        return result


@dataclass(frozen=True)
class WarpedTrigger(Trigger):
    """A smooth warp of the image, the same for all images (WaNet: Nguyen and Tran, arXiv 2102.10369).

    The displacements are drawn on a grid and interpolated between its points, both bilinearly.

    Attributes:
        strength: the largest displacement along an axis, in pixels. The smaller, the less regular.
        grid: points along each side.
    """

    title = "warped trigger"

    strength: Annotated[float, Gt(0), Le(64)] = 1.0
    grid: Annotated[Count, Le(64)] = 4

    def apply(self, images: Images, random: RandomState) -> Images:
        side = images.shape[-1]
        drawn = random.randint(-256, 257, (2, self.grid, self.grid))
        at = 256 * (self.grid - 1) * np.arange(side) // max(1, side - 1)  # pixels on the grid, in 256ths of its cells
        rows, columns = np.meshgrid(at, at, indexing="ij")
        smooth = sampled(drawn, rows, columns)
        moves = smooth * round(256 * self.strength) // max(1, np.abs(smooth).max())  # in 256ths of a pixel
        places = 256 * np.mgrid[:side, :side] + moves
        moved = sampled(images.astype(np.int64), *np.clip(places, 0, 256 * (side - 1)))
        return ((moved + 2**15) >> 16).astype(np.uint8)


def blended(images: Images, pattern: Whole | int, opacity: float) -> Images:
    """A pattern blended into images uint8, to a thousandth of opacity."""
    share = round(1000 * opacity)
    mixed = images.astype(np.int64) * (1000 - share) + pattern * np.int64(share)
    result: Images = ((mixed + 500) // 1000).astype(np.uint8)
    return result


def sampled(values: Whole, rows: Whole, columns: Whole) -> Whole:
    """Bilinear interpolation times 2**16 of values int64 [..., H, W] at these places, in 256ths of a pixel."""
    top, left, down, right = rows >> 8, columns >> 8, rows & 255, columns & 255
    bottom = np.minimum(top + 1, values.shape[-2] - 1)
    beside = np.minimum(left + 1, values.shape[-1] - 1)
    above = values[..., top, left] * (256 - right) + values[..., top, beside] * right
    below = values[..., bottom, left] * (256 - right) + values[..., bottom, beside] * right
    result: Whole = above * (256 - down) + below * down
    return result
