"""The contract: what a submission is given, and what it gives back.

A submission is a frozen dataclass that derives from `UnlearningMethod`; its fields are its hyperparameters. It runs
in a fresh process that was handed the public `Problem` and nothing else: no true labels, no test data, no kind of
corruption, no index of an undiscovered corrupted sample. BatchNorm, precision and devices:

* `Problem.original()` and `Problem.untrained()` return models in training mode; a method says in its docstring what its
  BatchNorm sees.
* `unlearn` runs inside the suite's autocast, so `model(batch.images)` has the suite's precision.
* Everything a `Problem` hands out already lies on `Problem.device`.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from unlearnbench.contract.classifier import Classifier, is_finite, outputs, predict
from unlearnbench.contract.images import ImageSet
from unlearnbench.contract.recipe import Budget, Recipe


def optimizer(model: nn.Module, recipe: Recipe, learning_rate: float) -> Optimizer:
    """The recipe's optimizer, fresh, on all parameters at this rate."""
    if recipe.optimizer == "adam":
        return Adam(model.parameters(), learning_rate, (recipe.momentum, 0.999), weight_decay=recipe.weight_decay)
    return SGD(model.parameters(), learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def set_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Let all parameters of this optimizer go on at this rate; its momentum stays."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


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
        """The original with as many new channels as `recipe.shared` leaves, twice the channels at 0.5; training mode.

        The first channels of every group are `original()`. The new ones are random, or, if the original was trained
        with tied dropout, its memorisation channels (`tied_gates` of `recipe.tied_dropout` are the masks that it was
        trained with).
        """
        model = self.original().expanded(self.recipe.shared)
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
        return optimizer(model, self.recipe, self.rate(learning_rate))

    def rate(self, learning_rate: float | None) -> float:
        """This learning rate, or the budget's for None."""
        return self.budget.learning_rate if learning_rate is None else learning_rate

    def accuracy(self, model: nn.Module, images: ImageSet) -> float:
        """Share of the set that the model, in evaluation mode, gives the label it carries in D_tr; no augmentation."""
        predictions = predict(model, images.images, images.pipeline)
        return float((predictions == images.labels).double().mean())

    def outputs(self, model: Classifier, images: ImageSet) -> tuple[Tensor, Tensor]:
        """Features float32 [N, D], what enters the last layer, and logits float32 [N, classes] of the set in its order.

        In evaluation mode, without augmentation.
        """
        return outputs(model, images.images, images.pipeline)

    def selection_score(self, model: nn.Module, samples: ImageSet | None = None) -> float:
        """Acc(D_r) (1 - max(Acc(D_f), gamma)): REM's rule for choosing a snapshot without clean data.

        0 if a weight is not finite.

        samples: the part of D_r that Acc(D_r) is measured on (`retain.sample(5000)` is enough); None for all of it.
        """
        if not is_finite(model):
            return 0.0
        forgotten = 1 - max(self.accuracy(model, self.forget), self.budget.stop_accuracy)
        return self.accuracy(model, self.retain if samples is None else samples) * forgotten

    def until_forgotten(self, model: nn.Module, max_passes: int, *, min_passes: int = 0) -> Iterator[int]:
        """0, 1, 2 ... : one number for each pass over D_f that is still due, `max_passes` at most.

        Before each, Acc(D_f) is measured; at or under the budget's stop accuracy, or if a weight is not finite, no
        other pass is due after `min_passes` (REM's flush, its gradient ascent and its NPO).
        """
        for number in range(max_passes):
            if not is_finite(model):
                return
            if number >= min_passes and self.accuracy(model, self.forget) <= self.budget.stop_accuracy:
                return
            yield number


RESERVED = ("extends", "entry", "title", "role", "needs", "search")
"""What a variant in submission.toml may say beside its hyperparameters, so no hyperparameter can be called so."""


class UnlearningMethod(ABC):
    """A method. Derive a frozen dataclass from it; its fields are its hyperparameters, all with defaults.

    Raises:
        TypeError: on deriving, a field has a name that submission.toml uses for something else.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in RESERVED:
            if name in inspect.get_annotations(cls):
                raise TypeError(f"no hyperparameter of {cls.__name__} can be called '{name}': submission.toml uses it")

    @abstractmethod
    def unlearn(self, problem: Problem) -> nn.Module:
        """Return the repaired model: the architecture of `problem.original()`, all weights finite.

        The time limit counts from the first line of this function.
        """
