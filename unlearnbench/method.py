"""The contract: what a submission is given, and what it gives back.

A submission is a frozen dataclass that derives from `UnlearningMethod`; its fields are its hyperparameters. It runs
in a fresh process that was handed the public `Problem` and nothing else: no true labels, no test data, no kind of
corruption, no index of an undiscovered corrupted sample. BatchNorm, precision and devices:

* `Problem.original()` and `Problem.untrained()` return models in training mode; a method says in its code when it
  freezes BatchNorm (`frozen_batchnorm`).
* `unlearn` runs inside the suite's autocast, so `model(batch.images)` has the suite's precision.
* Everything a `Problem` hands out already lies on `Problem.device`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Self

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.nn import functional

Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]
STRICT = {"extra": "forbid"}  # pydantic: a suite file with an unknown key is refused


@dataclass(frozen=True)
class Recipe:
    """How an original is trained: SGD, linear warm-up to the peak rate, then linear decay (protocol section 4).

    The rate rises over the first `warmup` share of the steps and ends at `final` times the peak.
    """

    __pydantic_config__ = STRICT

    steps: Count
    batch_size: Count
    peak_learning_rate: Positive
    warmup: Share = 0.01
    final: Share = 0.2
    momentum: Share = 0.9
    weight_decay: Annotated[float, Ge(0)] = 5e-4
    crop_padding: Annotated[int, Ge(0)] = 4
    flip: bool = True


@dataclass(frozen=True)
class Budget:
    """What every method may spend on one trial: `steps` of `batch_size` samples, at the suite's learning rate.

    `stop_accuracy` is the threshold gamma of removal steps: a forget set at or under it counts as forgotten.
    """

    __pydantic_config__ = STRICT

    steps: Count
    batch_size: Count
    learning_rate: Positive
    stop_accuracy: Share = 0.2


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

    def batches(
        self, steps: int | None = None, batch_size: int | None = None, *, shuffle: bool = True, augment: bool = True
    ) -> Iterator[Batch]:
        """Batches of one pass over the set, or exactly `steps` batches from as many passes as that takes.

        Every pass holds every sample once; only its last batch may be smaller than `batch_size` (default: the
        budget's). Order and augmentation come from the trial's own random stream.
        """
        if len(self) == 0:
            return
        size = batch_size or self.batch_size
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
    """Whether all parameters are finite: an ascent may ask before it goes on."""
    return bool(torch.stack([parameter.isfinite().all() for parameter in model.parameters()]).all())


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


@dataclass(frozen=True)
class Problem:
    """One problem as a submission sees it. The labels are those of D_tr: some are wrong.

    Attributes:
        train: D_tr, everything the original was trained on.
        forget: D_f, the discovered corrupted samples.
        retain: D_r = D_tr without D_f; it still holds the undiscovered corruption.
        corrupted: D_m, all corrupted samples, for a method that declares that it needs it; None for all others.
        generator: this trial's own stream, on the CPU; the global generators of torch, numpy and random are seeded
            from the same stream.
    """

    train: ImageSet
    forget_positions: Tensor = field(repr=False)
    classes: int
    budget: Budget
    recipe: Recipe
    device: torch.device
    generator: torch.Generator = field(repr=False)
    new_model: Callable[[], Classifier] = field(repr=False)
    original_weights: dict[str, Tensor] = field(repr=False)
    trainer: Callable[[Classifier, ImageSet, Recipe], None] = field(repr=False)
    corrupted_positions: Tensor | None = field(default=None, repr=False)

    @cached_property
    def forget(self) -> ImageSet:
        return self.train.take(self.forget_positions)

    @cached_property
    def retain(self) -> ImageSet:
        mask = torch.ones(len(self.train), dtype=torch.bool, device=self.device)
        mask[self.forget_positions] = False
        return self.train.take(mask)

    @cached_property
    def corrupted(self) -> ImageSet | None:
        return None if self.corrupted_positions is None else self.train.take(self.corrupted_positions)

    def original(self) -> Classifier:
        """A fresh copy of the model to be repaired, in training mode."""
        model = self.new_model()
        model.load_state_dict(self.original_weights)
        return model

    def untrained(self) -> Classifier:
        """The same architecture with fresh random weights, in training mode."""
        return self.new_model()

    def train_from_scratch(self, images: ImageSet) -> Classifier:
        """A fresh model trained on these images by the original's own recipe (not limited by the budget)."""
        model = self.untrained()
        self.trainer(model, images, self.recipe)
        return model

    def sgd(self, model: nn.Module, learning_rate: float | None = None) -> torch.optim.SGD:
        """The published optimizer: SGD with the recipe's momentum and weight decay, at the budget's rate by default."""
        return torch.optim.SGD(
            model.parameters(),
            learning_rate or self.budget.learning_rate,
            momentum=self.recipe.momentum,
            weight_decay=self.recipe.weight_decay,
        )

    def accuracy(self, model: nn.Module, images: ImageSet) -> float:
        """Share of the set that the model, in evaluation mode, gives the label it carries in D_tr; no augmentation."""
        predictions = predict(model, images.images, images.pipeline)
        return float((predictions == images.labels).double().mean())

    def selection_score(self, model: nn.Module) -> float:
        """Acc(D_r) (1 - max(Acc(D_f), gamma)): the published rule for choosing a snapshot without clean data."""
        forgotten = 1 - max(self.accuracy(model, self.forget), self.budget.stop_accuracy)
        return self.accuracy(model, self.retain) * forgotten


class UnlearningMethod(ABC):
    """A method. Derive a frozen dataclass from it; its fields are its hyperparameters, all with defaults."""

    @abstractmethod
    def unlearn(self, problem: Problem) -> nn.Module:
        """Return the repaired model: the architecture of `problem.original()`, all weights finite.

        The time limit counts from the first line of this function.
        """


def hyperparameters(method: Any) -> dict[str, Any]:
    """The hyperparameters of a method with their values."""
    from dataclasses import asdict

    return asdict(method)
