"""The pure part of the contract: how an original is trained, and what a method may spend. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

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
