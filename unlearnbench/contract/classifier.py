"""The contract's models: a classifier whose channels can be gated, added and taken off."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor, nn

from unlearnbench.contract.images import Pipeline


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

    @property
    def head(self) -> nn.Linear:
        """The last linear layer: what enters it are the model's features."""
        return [module for module in self.modules() if isinstance(module, nn.Linear)][-1]

    @abstractmethod
    def widened(self, shared: float = 0.5) -> Self:
        """The same architecture with `widened_groups(shared)`, weights drawn from the global generator."""

    def widened_groups(self, shared: float = 0.5) -> tuple[int, ...]:
        """The groups of a model of which this one is the `shared` part, in (0, 1]: at 0.5 twice the channels."""
        return tuple(round(group / shared) for group in self.groups)

    def expanded(self, shared: float = 0.5) -> Self:
        """A wider model: the first `shared` part of the channels of every group is this model, the rest is random."""
        own = next(self.parameters())
        wide = self.widened(shared).to(own.device).to(memory_format=torch.channels_last)
        with torch.no_grad():
            for name, tensor in self.corner_of(wide).items():
                tensor.copy_(
                    self.get_parameter(name) if name in dict(self.named_parameters()) else self.get_buffer(name)
                )
        return wide

    def corner_of(self, wide: nn.Module) -> dict[str, Tensor]:
        """The part of an expanded model's parameters and buffers that this model would hold.

        They are views: `torch.func.functional_call(self, self.corner_of(wide), images)` runs the expanded model with
        its new channels dropped, its gradients and running statistics reach `wide`, at the cost of the small model.
        """
        tensors = dict(wide.named_parameters()) | dict(wide.named_buffers())
        own = dict(self.named_parameters()) | dict(self.named_buffers())
        return {name: tensors[name][tuple(slice(size) for size in tensor.shape)] for name, tensor in own.items()}


def tied_gates(owners: Tensor, groups: Sequence[int], wide: Sequence[int], share: float) -> list[Tensor]:
    """Gates of an expanded model that tie new channels to samples: a function of these arguments alone.

    Args:
        owners: int64 [B], whose channels each sample sees: its own position in D_tr, or a number it shares with others.
        groups: how many channels each group had before it was expanded.
        wide: how many it has since.
        share: probability that an owner sees a new channel.

    Returns:
        For each group float32 [B, channels of the expanded group] of 0 and 1: the old channels, all 1, then the new.
    """
    new = [after - before for before, after in zip(groups, wide, strict=True)]
    channels = torch.arange(sum(new), device=owners.device)
    keys = _hashed((owners[:, None] * sum(new) + channels) & 0xFFFFFFFF)
    seen = (keys < int(share * 2**32)).float().split(new, dim=1)
    return [torch.cat([part.new_ones(len(part), old), part], dim=1) for old, part in zip(groups, seen, strict=True)]


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


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside, the model is in evaluation mode and nothing is recorded; the mode of every module is restored after."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True


def predict(model: nn.Module, images: Tensor, pipeline: Pipeline, batch_size: int = 512) -> Tensor:
    """Predicted classes int64 [N] of images uint8 [N, C, S, S], in evaluation mode; every module's is restored."""
    with evaluating(model):
        parts = [model(pipeline.normalised(part)).argmax(dim=1) for part in images.split(batch_size)]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)


def outputs(model: Classifier, images: Tensor, pipeline: Pipeline, batch_size: int = 512) -> tuple[Tensor, Tensor]:
    """Features float32 [N, D] and logits float32 [N, classes] of images uint8 [N, C, S, S], in evaluation mode."""
    features: list[Tensor] = []
    handle = model.head.register_forward_pre_hook(lambda layer, inputs: features.append(inputs[0].float()))
    try:
        with evaluating(model):
            logits = [model(pipeline.normalised(part)) for part in images.split(batch_size)]
    finally:
        handle.remove()
    return torch.cat(features), torch.cat(logits)
