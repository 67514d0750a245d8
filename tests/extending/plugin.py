"""An installed package that adds a corruption, a data set and an architecture (docs/extending.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt, Le
from numpy.random import RandomState
from torch import Tensor, nn

from unlearnbench import Classifier
from unlearnbench.problems.corruption import CleanSet, Corruption, Images, Indices, Labels, choose
from unlearnbench.problems.datasets import Dataset


@dataclass(frozen=True)
class Blend(Corruption):
    """Blend noise into random images, and give each the label of the other class that it looks like most."""

    title, regularity, triggered = "blended noise", "high", True

    opacity: Annotated[float, Gt(0), Le(1)] = 0.2

    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        labels, pixels = clean.labels, clean.images.astype(np.int64)  # integers give the same labels on every machine
        chosen = choose(np.arange(len(labels)), count, random, "training samples")
        means = np.stack([pixels[labels == cls].sum(axis=0) // (labels == cls).sum() for cls in range(clean.classes)])
        distances = ((pixels[chosen, None] - means) ** 2).sum(axis=(2, 3, 4))  # [count, classes]
        distances[np.arange(count), labels[chosen]] = np.iinfo(np.int64).max  # its own class
        return chosen, distances.argmin(axis=1)

    def apply(self, images: Images, random: RandomState) -> Images:
        noise = random.randint(0, 256, images.shape[1:])
        return ((1 - self.opacity) * images + self.opacity * noise).astype(np.uint8)


def stripes(data: Path, download: bool) -> Dataset:
    """Four classes of noisy grey 16x16 images, each with a bright stripe in another place."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(320) % 4
    images = torch.randint(0, 100, (320, 1, 16, 16), generator=random)
    for cls in range(4):
        images[labels == cls, :, 4 * cls + 1] += 120
    images = images.to(torch.uint8)
    return Dataset(
        "stripes", ("first", "second", "third", "fourth"), images[:240], labels[:240], images[240:], labels[240:]
    )


class Plain(Classifier):
    """One convolution, the maximum over all places, and a linear layer."""

    def __init__(
        self,
        classes: int,
        channels: int,
        image_size: int,
        width: float,
        capacity: float,
        groups: tuple[int, ...] | None = None,
    ):
        super().__init__()
        self.options = (classes, channels, image_size, width, capacity)
        self.groups = groups or (max(1, round(16 * width * capacity)),)
        self.conv = nn.Conv2d(channels, self.groups[0], 3, padding=1)
        self.linear = nn.Linear(self.groups[0], classes)

    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        features = torch.relu(self.conv(images)).amax(dim=(2, 3))  # [B, channels of the group]
        logits: Tensor = self.linear(features if gates is None else features * gates[0]).float()
        return logits

    def widened(self, shared: float = 0.5) -> Plain:
        return Plain(*self.options, groups=self.widened_groups(shared))
