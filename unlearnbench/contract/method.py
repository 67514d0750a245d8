"""The base class of methods, and the problem that a method is given.

A submission is a frozen dataclass derived from `UnlearningMethod`, and its fields are its hyperparameters. It runs in a
fresh process that gets the public `Problem` and nothing else: no true labels, no test data, no type of corruption, no
indices of undiscovered corrupted samples.

* `Problem.original()` and `Problem.untrained()` return models in training mode. A method documents which batches update
  its BatchNorm statistics.
* `unlearn` runs under the autocast of the suite, so `model(batch.images)` uses the suite's precision.
* All tensors of a `Problem` are on `Problem.device`.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from unlearnbench.contract.classifier import Classifier, is_finite, outputs, predict
from unlearnbench.contract.images import ImageSet
from unlearnbench.contract.recipe import RESERVED, Budget, Recipe, whole


def optimizer(model: nn.Module, recipe: Recipe, learning_rate: float) -> Optimizer:
    """A new optimizer over all parameters, of the type that the recipe sets."""
    if recipe.optimizer == "adam":
        return Adam(model.parameters(), learning_rate, (recipe.momentum, 0.999), weight_decay=recipe.weight_decay)
    return SGD(model.parameters(), learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def set_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Set the learning rate of all parameter groups. Keeps the state of the optimizer, such as momentum."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


@dataclass(frozen=True)
class Problem:
    """A problem as a submission sees it. Labels are those that the original was trained on, so some are wrong.

    Weights of models and images of batches are contiguous.

    Attributes:
        train: D_tr, the training set of the original.
        forget: D_f, the discovered corrupted samples. Some suites add clean samples that were taken for corrupted, and
            nothing tells which.
        retain: D_r, the rest of D_tr. It still contains the undiscovered corrupted samples.
        corrupted: D_m, all corrupted samples, if submission.toml declares that the method needs them, else None.
        generator: random generator of the trial, on the CPU. The global generators of torch, numpy and random get
            the same seed.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "train", replace(self.train, forget=self.forget_positions))  # every set knows D_f

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
        """A new copy of the model to repair, in training mode."""
        model = self.new_model()
        model.load_state_dict(self.original_weights)
        return model

    def expanded_original(self) -> Classifier:
        """The original with new channels added, in training mode.

        The first channels of each group are those of `original()`, and make up a fraction `recipe.shared` of all: 0.5
        doubles the channels. The new channels are random. If the original was trained with tied dropout, they are its
        memorisation channels instead; `tied_gates(..., recipe.tied_dropout)` gives the masks of that training.
        """
        model = self.original().expanded(self.recipe.shared)
        if self.expanded_weights is not None:
            model.load_state_dict(self.expanded_weights)
        return model

    def untrained(self) -> Classifier:
        """The same architecture with fresh random weights, in training mode."""
        return self.new_model()

    def train_from_scratch(self, images: ImageSet) -> Classifier:
        """A new model trained on these images with the recipe of the original. Not limited by the budget."""
        model = self.untrained()
        self.trainer(model, images, self.recipe)
        return model

    def optimizer(self, model: nn.Module, learning_rate: float | None = None) -> Optimizer:
        """A new optimizer of the type that trained the original. Uses the learning rate of the budget by default."""
        return optimizer(model, self.recipe, self.rate(learning_rate))

    def rate(self, learning_rate: float | None) -> float:
        """The given learning rate, or that of the budget if None."""
        return self.budget.learning_rate if learning_rate is None else learning_rate

    def accuracy(self, model: nn.Module, images: ImageSet) -> float:
        """Accuracy, in [0, 1], on the labels of D_tr. Evaluation mode, no augmentation."""
        predictions = predict(model, images.images, images.pipeline)
        return float((predictions == images.labels).double().mean())

    def outputs(self, model: Classifier, images: ImageSet) -> tuple[Tensor, Tensor]:
        """Features float32 [N, D] (the inputs of the last layer) and logits float32 [N, classes], in order of the set.

        Evaluation mode, no augmentation.
        """
        return outputs(model, images.images, images.pipeline)

    def selection_score(self, model: nn.Module, samples: ImageSet | None = None) -> float:
        """Acc(D_r) (1 - max(Acc(D_f), gamma)), the criterion of REM for model selection without clean data.

        Returns 0 if a weight is not finite.

        Args:
            samples: subset of D_r to measure Acc(D_r) on, e.g. `retain.sample(5000)`. None uses all of D_r.
        """
        if not is_finite(model):
            return 0.0
        forgotten = 1 - max(self.accuracy(model, self.forget), self.budget.stop_accuracy)
        return self.accuracy(model, self.retain if samples is None else samples) * forgotten

    def until_forgotten(self, model: nn.Module, max_passes: int, *, min_passes: int = 0) -> Iterator[int]:
        """Yield 0, 1, 2, ... once per pass over D_f, until D_f is forgotten or after `max_passes` passes.

        Stops when Acc(D_f) is at most the stop accuracy of the budget, but not before `min_passes` passes. Stops at
        once if a weight is not finite. The flush, the gradient ascent and the NPO of REM use this rule.

        Raises:
            UsageError: a number of passes is no whole number of at least 0.
        """
        whole(min_passes, "the lowest number of passes")
        for number in range(whole(max_passes, "the highest number of passes")):
            if not is_finite(model):
                return
            if number >= min_passes and self.accuracy(model, self.forget) <= self.budget.stop_accuracy:
                return
            yield number


class UnlearningMethod(ABC):
    """Base class of methods. Subclasses are frozen dataclasses whose fields are hyperparameters with defaults.

    Raises:
        TypeError: when a subclass is defined with a field name that is reserved in submission.toml.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in RESERVED:
            if name in inspect.get_annotations(cls):
                raise TypeError(f"{cls.__name__}: hyperparameter name '{name}' is reserved in submission.toml")

    @abstractmethod
    def unlearn(self, problem: Problem) -> nn.Module | Mapping[str, Tensor] | None:
        """Return the repaired model. It must have the architecture of `problem.original()` and finite weights.

        Its `state_dict()` will do, or a module that holds it as an attribute, such as `DataParallel` and what
        `torch.compile` returns. A method that is given a single model and changes it in place may return None. Buffers
        that the original does not have are left out. The time limit includes the import of the module.
        """
