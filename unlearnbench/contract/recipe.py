"""How originals are trained, what a method may spend, and reserved hyperparameter names. Does not import torch."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from unlearnbench.errors import UsageError

Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1), Le(2**31 - 1)]
STRICT = {"extra": "forbid"}  # makes pydantic reject unknown keys in TOML files
RESERVED = ("extends", "entry", "title", "role", "needs", "search")
"""Keys of a variant in submission.toml that are not hyperparameters. No hyperparameter can have one of these names."""


def whole(value: Any, what: str, least: int = 0) -> int:
    """A whole number, as an int. Floats are none, even 2.0: code that divides may give 2.5 next.

    Raises:
        UsageError: it is another number or no number, or less than `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise UsageError(f"{what} must be a whole number (int) of at least {least}, not {value!r:.80}")
    return number


def warmup_then_decay(step: int, steps: int, warmup: float = 0.01, final: float = 0.2) -> float:
    """Learning rate at a step as a fraction of the peak: linear warm-up, then linear decay.

    With n steps, of which w are warm-up, the fraction at step t (0 to n - 1) is (t + 1) / (w + 1) for t < w, and
    1 - (1 - final) (t - w) / n afterwards, so that it ends near final + (1 - final) warmup. This is the schedule of
    Goel et al. ("Corrective Machine Unlearning", arXiv 2402.14015), both for originals and for methods.
    """
    rising = int(warmup * steps + 1e-9)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 1 - (1 - final) * (step - rising) / steps


@dataclass(frozen=True)
class Recipe:
    """How an original is trained (docs/protocol.md, section 4).

    Attributes:
        warmup: fraction of the steps over which the learning rate rises to its peak (see `warmup_then_decay`).
        final: fraction of the peak to which the learning rate would fall over all steps; `warmup` shortens the fall.
            With `warmup` 0 and `final` 1 the rate is constant.
        momentum: momentum of SGD, or beta1 of Adam.
        augment_until: fraction of the steps after which batches are no longer augmented. A model that is small for its
            data learns to generalise in the first part, and wrong labels by heart in the second.
        tied_dropout: None for standard training. With example-tied dropout (Maini et al., ICML 2023), the probability
            p_mem that a sample uses a given memorisation channel. The choice is fixed for each sample. The
            memorisation channels are dropped after training.
        shared: with tied dropout, the fraction of all channels that every sample uses (p_fix).
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
    shared: Annotated[float, Gt(0), Lt(1)] = 0.5
    augment_until: Share = 1.0


@dataclass(frozen=True)
class Budget:
    """The training budget of one trial, the same for every method.

    Attributes:
        steps: number of updates, each on `batch_size` samples.
        stop_accuracy: threshold gamma. A forget set counts as forgotten once the accuracy on it is at most gamma.
        augment: whether batches are augmented unless a method says otherwise. Where the originals end without, to learn
            wrong labels by heart, augmented batches alone would undo that.
    """

    __pydantic_config__ = STRICT

    steps: Count
    batch_size: Count
    learning_rate: Positive
    stop_accuracy: Share = 0.2
    augment: bool = True

    def epochs(self, images: int) -> int:
        """Number of whole passes over so many images, in batches of `batch_size`, that the steps allow. May be 0.

        Raises:
            UsageError: the number of images is no whole number of at least 0.
        """
        whole(images, "the number of images")
        return self.steps // -(-images // self.batch_size) if images else 0
