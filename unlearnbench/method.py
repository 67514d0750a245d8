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
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from unlearnbench.classifier import Classifier, frozen_batchnorm, is_finite, predict, tied_gates
from unlearnbench.images import Batch, ImageSet, Pipeline

__all__ = [
    "STRICT",
    "Batch",
    "Budget",
    "Classifier",
    "Count",
    "ImageSet",
    "Pipeline",
    "Positive",
    "Problem",
    "Recipe",
    "Share",
    "UnlearningMethod",
    "frozen_batchnorm",
    "hyperparameters",
    "is_finite",
    "optimizer",
    "predict",
    "tied_gates",
]

Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1), Le(2**31 - 1)]
STRICT = {"extra": "forbid"}  # pydantic: a suite file with an unknown key is refused


@dataclass(frozen=True)
class Recipe:
    """How an original is trained: linear warm-up to the peak rate, then linear decay (protocol section 4).

    The rate rises over the first `warmup` share of the steps and ends at `final` times the peak. `momentum` is SGD's,
    and Adam's first beta.

    tied_dropout: None for standard training. Otherwise the original was trained with example-tied dropout (Maini et
        al., ICML 2023): beside its own channels it had as many memorisation channels, each of which a sample saw with
        this probability, always the same ones; they are dropped from the model that is handed out.
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
    optimizer: Literal["sgd", "adam"] = "sgd"
    tied_dropout: Annotated[float, Gt(0), Le(1)] | None = None


def optimizer(model: nn.Module, recipe: Recipe, learning_rate: float) -> Optimizer:
    """The recipe's optimizer, fresh, on all parameters at this rate."""
    if recipe.optimizer == "adam":
        return Adam(model.parameters(), learning_rate, (recipe.momentum, 0.999), weight_decay=recipe.weight_decay)
    return SGD(model.parameters(), learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


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
    trainer: Callable[[Classifier, ImageSet, Recipe], object] = field(repr=False)
    corrupted_positions: Tensor | None = field(default=None, repr=False)
    expanded_weights: dict[str, Tensor] | None = field(default=None, repr=False)

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

    def expanded_original(self) -> Classifier:
        """The original with twice the channels, in training mode; the first half of every group is `original()`.

        The second half is random, or, if the original was trained with tied dropout, its memorisation channels
        (`tied_gates` of `recipe.tied_dropout` are the masks that it was trained with).
        """
        model = self.original().expanded()
        if self.expanded_weights is not None:
            model.load_state_dict(self.expanded_weights)
        return model

    def untrained(self) -> Classifier:
        """The same architecture with fresh random weights, in training mode."""
        return self.new_model()

    def train_from_scratch(self, images: ImageSet) -> Classifier:
        """A fresh model trained on these images by the original's own recipe (not limited by the budget)."""
        model = self.untrained()
        self.trainer(model, images, self.recipe)
        return model

    def optimizer(self, model: nn.Module, learning_rate: float | None = None) -> Optimizer:
        """A fresh optimizer of the kind that trained the original, at the budget's rate by default."""
        return optimizer(model, self.recipe, learning_rate or self.budget.learning_rate)

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
    return asdict(method)
