"""A labelled set as a PyTorch `Dataset`, for code that was written for a `DataLoader`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate, get_worker_info

from unlearnbench.errors import UsageError

if TYPE_CHECKING:
    from unlearnbench.contract.images import ImageSet

Field = Literal["image", "label", "position", "found"]
Sample = tuple[Any, ...]


class LabelledImages(Dataset[Sample]):
    """The samples of an `ImageSet`, each a tuple of `fields`, augmented anew whenever it is read.

    Attributes:
        targets: int64 [N], the labels, on the CPU. Assign other labels (a tensor, an array or a list) to relabel.
    """

    def __init__(self, source: ImageSet, *, augment: bool, fields: Sequence[Field]):
        self.targets: Any = source.labels.cpu().clone()
        self.source, self.augment, self.fields = source, augment, tuple(fields)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        """The samples of a batch, augmented together. `DataLoader` and `Subset` call this one."""
        pipeline, images = self.source.pipeline, self.source.images[indices]
        if self.augment:
            # A worker has a copy of the trial's generator; every worker, in every pass, would draw the same from it.
            # Its global generator is seeded for it by the loader.
            in_worker = get_worker_info() is not None
            images = pipeline.augmented(images, torch.default_generator if in_worker else self.source.generator)
        columns: list[Sequence[Any]] = []
        for field in self.fields:
            if field == "image":
                columns.append(pipeline.normalised(images).unbind())
            elif field == "label":
                columns.append(torch.as_tensor(self.targets)[indices].tolist())
            elif field == "position":
                columns.append(self.source.ids[indices].tolist())
            else:
                columns.append(self.source.found[indices].tolist())
        return list(zip(*columns, strict=True))

    def collate(self, samples: list[Sample]) -> Sample:
        """A batch: images float32 [B, C, S, S], all else int64 [B], on the device of the images."""
        batch: list[Tensor] = default_collate(samples)
        device = self.source.images.device
        return tuple(value.to(device) for value in batch)


def loader(
    source: ImageSet, batch_size: int, *, shuffle: bool, augment: bool, fields: Sequence[Field], num_workers: int
) -> DataLoader[Sample]:
    """See `ImageSet.loader`."""
    known = get_args(Field)
    if isinstance(fields, str) or not fields or not set(fields) <= set(known):
        raise UsageError(f"the fields of a loader are a tuple of {', '.join(known)}, not {fields!r}")
    if num_workers:  # they cannot use an accelerator
        source = source.on(torch.device("cpu"))
    dataset = LabelledImages(source, augment=augment, fields=fields)
    return DataLoader(
        dataset,
        batch_size,
        shuffle=shuffle and len(source) > 0,  # a sampler of nothing is an error
        num_workers=num_workers,
        collate_fn=dataset.collate,
        generator=source.generator,
        multiprocessing_context="fork" if num_workers else None,  # PyTorch cannot send a generator to a new process
    )
