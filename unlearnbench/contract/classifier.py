"""The classifier interface: models whose channels can be gated, added and dropped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from unlearnbench.contract.images import Pipeline
from unlearnbench.errors import UsageError


class Classifier(nn.Module, ABC):
    """Base class of all architectures: an image classifier whose channels can be gated and whose width can grow.

    docs/extending.md shows a whole one, and how a package adds it.

    `fc`, `blocks` and `features` are words of published code. They find layers under the names that the architecture
    has for them and add no weights; a layer that the architecture calls so itself comes first.
    """

    groups: tuple[int, ...]
    """Number of channels of each gated group."""
    fc: nn.Linear
    """The head. Assigning a new `nn.Linear` of the same shape to `fc` or `head` replaces it."""
    blocks: nn.ModuleList | list[nn.Module]
    """The blocks of layers before the head, in order."""
    features: Callable[[Tensor], Tensor]
    """Features [B, D] of normalised images [B, C, S, S]: the inputs of the head."""

    @abstractmethod
    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        """Logits float32 [B, classes] of normalised images [B, C, S, S].

        Args:
            gates: one tensor [B, channels] for each group, multiplied with its activations: 1 keeps a channel for that
                sample, 0 drops it. None keeps all channels.
        """

    def __call__(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        logits: Tensor = super().__call__(images, gates)
        return logits

    @property
    def head(self) -> nn.Linear:
        """The last linear layer. Its inputs are the features of the model."""
        return [module for module in self.modules() if isinstance(module, nn.Linear)][-1]

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "fc":
                return self.head
            if name == "blocks":
                return [child for child in self.children() if child is not self.head]
            if name == "features":
                return self._inputs_of_the_head
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("fc", "head") and name not in self._modules:
            if isinstance(value, nn.Identity):
                raise UsageError(f"a model keeps its head: call model.features(images) instead of replacing {name}")
            linear = [path for path, module in self.named_modules() if isinstance(module, nn.Linear)]
            if linear and isinstance(value, nn.Linear) and value.weight.shape == self.head.weight.shape:
                if (value.bias is None) != (self.head.bias is None):
                    raise UsageError(f"the new {name} must have the form of the old one: {self.head}")
                path, _, name = linear[-1].rpartition(".")
                setattr(self.get_submodule(path), name, value)
                return
        super().__setattr__(name, value)

    def _inputs_of_the_head(self, images: Tensor) -> Tensor:
        seen: list[Tensor] = []
        handle = self.head.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
        try:
            self(images)  # the whole model, so that its samples are counted
        finally:
            handle.remove()
        return seen[0]

    @abstractmethod
    def widened(self, shared: float = 0.5) -> Self:
        """A model of the same architecture with `widened_groups(shared)`, initialised from the global generator."""

    def widened_groups(self, shared: float = 0.5) -> tuple[int, ...]:
        """Sizes of the groups after widening: this model keeps a fraction `shared`, in (0, 1], of the channels."""
        return tuple(round(group / shared) for group in self.groups)

    def expanded(self, shared: float = 0.5) -> Self:
        """A wider model whose first channels in each group are copied from this one and whose others are random.

        This model makes up a fraction `shared` of the channels: 0.5 doubles them.
        """
        own = next(self.parameters())
        wide = self.widened(shared).to(own.device)
        with torch.no_grad():
            for name, tensor in self.corner_of(wide).items():
                tensor.copy_(
                    self.get_parameter(name) if name in dict(self.named_parameters()) else self.get_buffer(name)
                )
        return wide

    def corner_of(self, wide: nn.Module) -> dict[str, Tensor]:
        """Views of the parameters and buffers of an expanded model, restricted to the channels of this one.

        `torch.func.functional_call(self, self.corner_of(wide), images)` runs the expanded model without its new
        channels, at the cost of the small model. Gradients and running statistics reach `wide`.
        """
        tensors = dict(wide.named_parameters()) | dict(wide.named_buffers())
        own = dict(self.named_parameters()) | dict(self.named_buffers())
        return {name: tensors[name][tuple(slice(size) for size in tensor.shape)] for name, tensor in own.items()}


def channels_last(images: Tensor) -> Tensor:
    """Images [B, C, S, S] with the strides of channels_last, in which convolutions compute up to a fifth faster.

    `Tensor.contiguous(memory_format=...)` would leave one colour channel as it is, and fails within `torch.func.vmap`.
    """
    count, channels, height, width = images.shape
    return images.permute(0, 2, 3, 1).flatten().view(count, height, width, channels).permute(0, 3, 1, 2)


def tied_gates(owners: Tensor, groups: Sequence[int], wide: Sequence[int], share: float) -> list[Tensor]:
    """Gates of an expanded model that give each sample its own subset of the new channels.

    Deterministic: the same arguments always give the same gates.

    Args:
        owners: int64 [B], the key that selects the channels of each sample: its position in D_tr, or a number shared
            by several samples, which then use the same channels.
        groups: channels of each group before expansion.
        wide: channels of each group after expansion.
        share: probability that an owner uses a given new channel.

    Returns:
        For each group, float32 [B, channels after expansion]: 1 for all old channels, 0 or 1 for the new ones.
    """
    new = [after - before for before, after in zip(groups, wide, strict=True)]
    channels = torch.arange(sum(new), device=owners.device)
    keys = _hashed((owners[:, None] * sum(new) + channels) & 0xFFFFFFFF)
    seen = (keys < int(share * 2**32)).float().split(new, dim=1)
    return [torch.cat([part.new_ones(len(part), old), part], dim=1) for old, part in zip(groups, seen, strict=True)]


def _hashed(keys: Tensor) -> Tensor:
    """Hash int64 keys below 2**32 to integers spread over [0, 2**32), identically on every machine."""
    for _ in range(2):
        keys = ((keys >> 16) ^ keys) * 0x45D9F3B & 0xFFFFFFFF
    return (keys >> 16) ^ keys


@contextmanager
def frozen_batchnorm(model: nn.Module) -> Iterator[None]:
    """Context in which BatchNorm layers use their running statistics without updating them. Restores their mode."""
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
    """Whether all parameters and buffers are finite. Useful to stop gradient ascent before it diverges."""
    return bool(torch.stack([tensor.isfinite().all() for tensor in model.state_dict().values()]).all())


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Context in which the model is in evaluation mode and no gradients are recorded. Restores every module's mode."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True


def predict(model: nn.Module, images: Tensor, pipeline: Pipeline, batch_size: int = 512) -> Tensor:
    """Predicted classes int64 [N] of images uint8 [N, C, S, S]. Runs in evaluation mode, then restores the mode."""
    with evaluating(model):
        parts = [model(pipeline.normalised(part)).argmax(dim=1) for part in images.split(batch_size)]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)


def outputs(model: Classifier, images: Tensor, pipeline: Pipeline, batch_size: int = 512) -> tuple[Tensor, Tensor]:
    """Features float32 [N, D] and logits float32 [N, classes] of images uint8 [N, C, S, S], in evaluation mode.

    Restores the mode of every module.
    """
    features: list[Tensor] = []
    handle = model.head.register_forward_pre_hook(lambda layer, inputs: features.append(inputs[0].float()))
    try:
        with evaluating(model):
            logits = [model(pipeline.normalised(part)) for part in images.split(batch_size)]
    finally:
        handle.remove()
    return torch.cat(features), torch.cat(logits)
