"""Images: the pipeline from stored pixels to model inputs, and labelled sets that yield batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from unlearnbench.contract.loader import Field, Sample, loader
from unlearnbench.contract.recipe import whole
from unlearnbench.errors import UsageError


@dataclass(frozen=True)
class Pipeline:
    """Random crop, flip and normalisation, each applied to a whole batch at once.

    Augmentation leaves the bottom-right `pinned` x `pinned` pixels of every image in place, so a trigger stays in its
    corner, as in the published protocol. This applies to all images: a list of the triggered ones would reveal
    undiscovered corruption to the submission.
    """

    mean: tuple[float, ...]  # per colour channel, for pixels scaled to [0, 1]
    std: tuple[float, ...]
    crop_padding: int
    flip: bool
    pinned: int = 3

    def augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Randomly crop images (after zero padding) and flip them: uint8 [B, C, S, S] to uint8 [B, C, S, S]."""
        count, _, size, _ = images.shape
        result = images
        if self.crop_padding:
            pad = self.crop_padding
            offsets = _sent(torch.randint(0, 2 * pad + 1, (2, count, 1), generator=generator), images.device)
            rows, columns = offsets + torch.arange(size, device=images.device)  # each [B, S]
            samples = torch.arange(count, device=images.device)[:, None, None]
            padded = functional.pad(images, (pad, pad, pad, pad))  # [B, C, S + 2 pad, S + 2 pad]
            # Indexing with tensors on both sides of a slice moves the sliced axis last, to [B, S, S, C].
            result = padded[samples, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        if self.flip:
            mirrored = _sent(torch.rand(count, generator=generator) < 0.5, images.device)
            result = torch.where(mirrored[:, None, None, None], result.flip(3), result)
        if self.pinned and result is not images:
            result[:, :, -self.pinned :, -self.pinned :] = images[:, :, -self.pinned :, -self.pinned :]
        return result

    def normalised(self, images: Tensor) -> Tensor:
        """Normalise each channel by `mean` and `std`: uint8 [B, C, S, S] to float32 [B, C, S, S], contiguous."""
        mean = _sent(torch.tensor(self.mean), images.device)[:, None, None] * 255
        std = _sent(torch.tensor(self.std), images.device)[:, None, None] * 255
        return ((images.float() - mean) / std).contiguous()


def normalisation(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of images uint8 [N, C, S, S] scaled to [0, 1], to four decimals."""
    # Computed from integer counts of the 256 levels, so the result is the same on every machine.
    levels = np.arange(256) / 255
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = np.bincount(images[:, channel].reshape(-1).numpy(), minlength=256)
        mean = float((counts * levels).sum() / counts.sum())
        variance = float((counts * (levels - mean) ** 2).sum() / counts.sum())
        means.append(round(mean, 4))
        deviations.append(max(round(variance**0.5, 4), 1e-4))
    return tuple(means), tuple(deviations)


def _sent(values: Tensor, device: torch.device) -> Tensor:
    """Values of the CPU on this device. A copy to a GPU is from pinned memory, so that the processor need not wait."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values


@dataclass(frozen=True)
class Batch:
    """A batch ready for the model.

    Attributes:
        images: float32 [B, C, S, S], normalised, contiguous.
        labels: int64 [B].
        ids: int64 [B], positions in D_tr.
    """

    images: Tensor
    labels: Tensor
    ids: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageSet:
    """A set of labelled images.

    Attributes:
        images: uint8 [N, C, S, S].
        labels: int64 [N].
        ids: int64 [N], positions in D_tr.
        generator: the random stream of the trial.
        batch_size: default of `batches` and `loader`, as is `augment`.
        forget: int64, D_f as positions in D_tr.
    """

    images: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    ids: Tensor = field(repr=False)
    pipeline: Pipeline
    generator: torch.Generator = field(repr=False)
    batch_size: int = 512
    augment: bool = True
    forget: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def found(self) -> Tensor:
        """int64 [N]: 1 for a sample of D_f, else 0."""
        return torch.isin(self.ids, self.forget).long()

    def on(self, device: torch.device) -> ImageSet:
        """The same set with its tensors on this device."""
        tensors = {name: getattr(self, name).to(device) for name in ("images", "labels", "ids", "forget")}
        return replace(self, **tensors)

    def take(self, positions: Tensor) -> ImageSet:
        """The subset at these positions (int64 [n]), or where a mask is true (bool [N])."""
        return replace(self, images=self.images[positions], labels=self.labels[positions], ids=self.ids[positions])

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in one pass over the set."""
        return -(-len(self) // self.batch_size)

    def sample(self, count: int) -> ImageSet:
        """A random subset of at most `count` samples, drawn without replacement.

        Raises:
            UsageError: `count` is no whole number of at least 0.
        """
        whole(count, "the number of samples")
        chosen = torch.randperm(len(self), generator=self.generator)[:count]
        return self.take(chosen.to(self.images.device))

    def split(self, share: float) -> tuple[ImageSet, ImageSet]:
        """Two sets: the rest, and a held-out random `share` of the samples. Both keep the order of this set.

        Raises:
            UsageError: the share is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise UsageError(f"the held-out share of a split must be between 0 and 1, not {share}")
        held_out = torch.zeros(len(self), dtype=torch.bool)
        held_out[torch.randperm(len(self), generator=self.generator)[: round(share * len(self))]] = True
        held_out = held_out.to(self.images.device)
        return self.take(~held_out), self.take(held_out)

    def loader(
        self,
        batch_size: int | None = None,
        *,
        shuffle: bool = True,
        augment: bool | None = None,
        fields: Sequence[Field] = ("image", "label"),
        num_workers: int = 0,
    ) -> DataLoader[Sample]:
        """The set as a PyTorch `DataLoader`, one pass per iteration; its `dataset` has `targets` and a length.

        Use this augmentation, not another: it keeps a trigger in its corner (see `Pipeline`), where a random crop with
        padding 4 and a flip leave it in 1 of 162 draws. Order and augmentation use the random stream of the trial.
        Batches are on the device of the problem; with workers, on the CPU. Images are in memory already, and a trial
        may have one core only: workers work, but rarely make it faster.

        Args:
            augment: whether to augment; the budget's setting by default.
            fields: what a batch holds, as a tuple in this order: `image` (float32 [B, C, S, S], augmented and
                normalised), `label` (int64 [B]), `position` (int64 [B], in D_tr), `found` (int64 [B], 1 in D_f).

        Raises:
            UsageError: a field is unknown, or a number is not a whole one of at least 1 (0 for workers).
        """
        size = whole(self.batch_size if batch_size is None else batch_size, "the size of batches", 1)
        whole(num_workers, "the number of workers")
        augment = self.augment if augment is None else augment
        return loader(self, size, shuffle=shuffle, augment=augment, fields=fields, num_workers=num_workers)

    def batches(
        self,
        steps: int | None = None,
        batch_size: int | None = None,
        *,
        shuffle: bool = True,
        augment: bool | None = None,
    ) -> Iterator[Batch]:
        """Yield the batches of one pass, or exactly `steps` batches, repeating passes as needed.

        Each pass contains every sample once. The last batch of a pass may be smaller than `batch_size`. This and
        `augment` are by default as in the budget. Shuffling and augmentation use the random stream of the trial.

        Raises:
            UsageError: `steps` is no whole number of at least 0, or `batch_size` none of at least 1.
        """
        size = whole(self.batch_size if batch_size is None else batch_size, "the size of batches", 1)
        if steps is not None:
            steps = whole(steps, "the number of batches")
        return self._batches(steps, size, shuffle, self.augment if augment is None else augment)

    def _batches(self, steps: int | None, size: int, shuffle: bool, augment: bool) -> Iterator[Batch]:
        if len(self) == 0:
            return
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
