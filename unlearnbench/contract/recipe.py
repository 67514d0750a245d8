"""The pure part of the contract: how an original is trained, what a method may spend, and what it may not call its
hyperparameters. Needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1), Le(2**31 - 1)]
STRICT = {"extra": "forbid"}  # pydantic: a suite file with an unknown key is refused
RESERVED = ("extends", "entry", "title", "role", "needs", "search")
"""What a variant in submission.toml may say beside its hyperparameters, so no hyperparameter can be called so."""


def warmup_then_decay(step: int, steps: int, warmup: float = 0.01, final: float = 0.2) -> float:
    """The rate of step 0 .. steps - 1 as a share of its peak: up linearly over the warm-up, then down to about `final`.

    Goel et al. ("Corrective Machine Unlearning", arXiv 2402.14015) train originals and run methods so: with w warm-up
    steps of n, (t + 1) / (w + 1) before step w, then 1 - (1 - final) (t - w) / n.
    """
    rising = int(warmup * steps + 1e-9)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 1 - (1 - final) * (step - rising) / steps


@dataclass(frozen=True)
class Recipe:
    """How an original is trained: linear warm-up to the peak rate, then linear decay (docs/protocol.md, section 4).

    The rate rises over the first `warmup` share of the steps and ends near `final` times the peak (`warmup_then_decay`;
    0 and 1 are a constant rate). `momentum` is SGD's, and Adam's first beta.

    tied_dropout: None for standard training. Otherwise the original was trained with example-tied dropout (Maini et
        al., ICML 2023): beside its own channels it had memorisation channels, each of which a sample saw with this
        probability (p_mem), always the same ones; they are dropped from the model that is handed out.
    shared: with tied dropout, the share of all channels that were its own, which all samples saw (p_fix).
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
