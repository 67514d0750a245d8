"""The contract's data: images as stored, from there to what a model sees, and sets of them that yield batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Pipeline:
    """From stored uint8 images to what a model sees: random crop, flip, then normalisation, a whole batch at once.

    The bottom-right `pinned` x `pinned` pixels of every image, corrupted or not, stay where they are stored. A
    trigger therefore lies in its corner after augmentation, as in the published protocol, without a list of the
    triggered samples, which a submission must not have.
    """

    mean: tuple[float, ...]  # per colour channel, of pixels in [0, 1]
    std: tuple[float, ...]
    crop_padding: int
    flip: bool
    pinned: int = 3

    def augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """uint8 [B, C, S, S] -> the same shape, each image cropped from its black-padded self and perhaps mirrored."""
        count, _, size, _ = images.shape
        result = images
        if self.crop_padding:
            pad = self.crop_padding
            offsets = torch.randint(0, 2 * pad + 1, (2, count, 1), generator=generator).to(images.device)
            rows, columns = offsets + torch.arange(size, device=images.device)  # each [B, S]
            samples = torch.arange(count, device=images.device)[:, None, None]
            padded = functional.pad(images, (pad, pad, pad, pad))  # [B, C, S + 2 pad, S + 2 pad]
            # Index tensors around a slice put the sliced axis last: [B, S, S, C], which is channels_last for free.
            result = padded[samples, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        if self.flip:
            mirrored = torch.rand(count, generator=generator) < 0.5
            result = torch.where(mirrored.to(images.device)[:, None, None, None], result.flip(3), result)
        if self.pinned and result is not images:
            result[:, :, -self.pinned :, -self.pinned :] = images[:, :, -self.pinned :, -self.pinned :]
        return result

    def normalised(self, images: Tensor) -> Tensor:
        """uint8 [B, C, S, S] -> float32 [B, C, S, S], channels_last, zero mean and unit deviation per channel."""
        mean = torch.tensor(self.mean, device=images.device)[:, None, None] * 255
        std = torch.tensor(self.std, device=images.device)[:, None, None] * 255
        return ((images.float() - mean) / std).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Batch:
    """images float32 [B, C, S, S] as the model sees them, labels int64 [B], ids int64 [B] (positions in D_tr)."""

    images: Tensor
    labels: Tensor
    ids: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageSet:
    """Images with labels: uint8 [N, C, S, S], int64 [N], and the samples' positions in D_tr, int64 [N]."""

    images: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    ids: Tensor = field(repr=False)
    pipeline: Pipeline
    generator: torch.Generator = field(repr=False)
    batch_size: int = 512

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Tensor) -> ImageSet:
        """The samples at these positions of this set (int64 [n]) or where this mask is true (bool [N])."""
        return replace(self, images=self.images[positions], labels=self.labels[positions], ids=self.ids[positions])

    @property
    def steps_per_pass(self) -> int:
        """How many batches one pass over the set makes."""
        return -(-len(self) // self.batch_size)

    def sample(self, count: int) -> ImageSet:
        """At most `count` samples of this set, drawn from the trial's own random stream."""
        chosen = torch.randperm(len(self), generator=self.generator)[:count]
        return self.take(chosen.to(self.images.device))

    def batches(
        self, steps: int | None = None, batch_size: int | None = None, *, shuffle: bool = True, augment: bool = True
    ) -> Iterator[Batch]:
        """Batches of one pass over the set, or exactly `steps` batches from as many passes as that takes.

        Every pass holds every sample once; only its last batch may be smaller than `batch_size` (default: the
        budget's). Order and augmentation come from the trial's own random stream.
        """
        if len(self) == 0:
            return
        size = self.batch_size if batch_size is None else batch_size
        drawn = 0
        while True:
            order = torch.randperm(len(self), generator=self.generator) if shuffle else torch.arange(len(self))
            for positions in order.to(self.images.device).split(size):
                if drawn == steps:
                    return
                images = self.images[positions]
                if augment:
                    images = self.pipeline.augmented(images, self.generator)
                yield Batch(self.pipeline.normalised(images), self.labels[positions], self.ids[positions])
                drawn += 1
            if steps is None:
                return
