"""The contract's models: a classifier whose channels can be gated, added and taken off."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor, nn

from unlearnbench.images import Pipeline


class Classifier(nn.Module, ABC):
    """A model of the harness: logits float32 [B, classes], and channels that can be gated, added and taken off."""

    groups: tuple[int, ...]
    """How many channels each gated group has."""

    @abstractmethod
    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        """Logits float32 [B, classes] of images [B, C, S, S].

        gates: for each group a tensor [B, channels of the group] that multiplies its activations (1 keeps a channel
        for that sample, 0 drops it); None keeps all.
        """

    def __call__(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        logits: Tensor = super().__call__(images, gates)
        return logits

    @abstractmethod
    def widened(self) -> Self:
        """The same architecture with twice the channels in every group, weights drawn from the global generator."""

    def expanded(self) -> Self:
        """A model of twice the channels: the first half of every group is this model, the second half is random."""
        own = next(self.parameters())
        wide = self.widened().to(own.device).to(memory_format=torch.channels_last)
        with torch.no_grad():
            for name, tensor in self.corner_of(wide).items():
                tensor.copy_(
                    self.get_parameter(name) if name in dict(self.named_parameters()) else self.get_buffer(name)
                )
        return wide

    def corner_of(self, wide: nn.Module) -> dict[str, Tensor]:
        """The part of an expanded model's parameters and buffers that this model would hold.

        They are views: `torch.func.functional_call(self, self.corner_of(wide), images)` runs the expanded model with
        its second half dropped, its gradients and running statistics reach `wide`, at the cost of the small model.
        """
        tensors = dict(wide.named_parameters()) | dict(wide.named_buffers())
        own = dict(self.named_parameters()) | dict(self.named_buffers())
        return {name: tensors[name][tuple(slice(size) for size in tensor.shape)] for name, tensor in own.items()}


def tied_gates(owners: Tensor, groups: Sequence[int], share: float) -> list[Tensor]:
    """Gates of an expanded model that tie new channels to samples: a function of these arguments alone.

    Args:
        owners: int64 [B], whose channels each sample sees: its own position in D_tr, or a number it shares with others.
        groups: how many channels each group had before it was expanded.
        share: probability that an owner sees a new channel.

    Returns:
        For each group float32 [B, 2 x channels] of 0 and 1: the old channels, all 1, then the new ones.
    """
    channels = torch.arange(sum(groups), device=owners.device)
    keys = _hashed((owners[:, None] * sum(groups) + channels) & 0xFFFFFFFF)
    new = (keys < int(share * 2**32)).float()
    return [torch.cat([torch.ones_like(part), part], dim=1) for part in new.split(list(groups), dim=1)]


def _hashed(keys: Tensor) -> Tensor:
    """Integers spread over [0, 2**32) for int64 keys under 2**32: the same key gives the same number everywhere."""
    for _ in range(2):
        keys = ((keys >> 16) ^ keys) * 0x45D9F3B & 0xFFFFFFFF
    return (keys >> 16) ^ keys


@contextmanager
def frozen_batchnorm(model: nn.Module) -> Iterator[None]:
    """Inside, BatchNorm layers use their running statistics and leave them alone; their mode is restored after."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d) and module.training]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()


@torch.no_grad()
def is_finite(model: nn.Module) -> bool:
    """Whether all parameters and running statistics are finite: an ascent may ask before it goes on."""
    return bool(torch.stack([tensor.isfinite().all() for tensor in model.state_dict().values()]).all())


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, pipeline: Pipeline, batch_size: int = 512) -> Tensor:
    """Predicted classes int64 [N] of images uint8 [N, C, S, S], in evaluation mode; every module's is restored."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        parts = [model(pipeline.normalised(part)).argmax(dim=1) for part in images.split(batch_size)]
    finally:
        for module in training:
            module.training = True
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)
