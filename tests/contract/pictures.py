"""A few random pictures in three classes."""

from __future__ import annotations

import torch

from unlearnbench import (
    ImageSet,
    Pipeline,
)


def pictures(count: int, size: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(1, 255, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def image_set(count: int = 10, batch_size: int = 4) -> ImageSet:
    pipeline = Pipeline((0.5,) * 3, (0.25,) * 3, 2, True)
    labels = torch.arange(count) % 3
    return ImageSet(
        pictures(count), labels, torch.arange(count), pipeline, torch.Generator().manual_seed(0), batch_size
    )
