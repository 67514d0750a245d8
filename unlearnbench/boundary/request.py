"""What crosses the boundary on its way in: a request, and the order to the server that carries it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from unlearnbench.contract.images import Pipeline
from unlearnbench.contract.recipe import Budget, Recipe
from unlearnbench.models import ModelSpec


@dataclass(frozen=True)
class Request:
    """All that a trial's process is given. Positions are those of samples in D_tr.

    Attributes:
        training_set: the file of D_tr.
        original: the file of the original; None for who starts from none.
        folder: of the submission; None if it is installed.
        corrupted: D_m, for a submission that declares that it needs it.
    """

    entry: str
    training_set: str
    forget: list[int]
    model: ModelSpec
    pipeline: Pipeline
    budget: Budget
    recipe: Recipe
    seed: int
    threads: int
    precision: str
    device: str
    seconds: float
    memory_bytes: int
    original: str | None = None
    folder: str | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    corrupted: list[int] | None = None


@dataclass(frozen=True)
class Order:
    """A request with the places of this trial.

    Attributes:
        private: the only folder that the trial may write to.
        sandbox: the command that makes its namespaces; None at the level `process`.
    """

    request: Request
    private: str
    sandbox: list[str] | None

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def read_order(line: bytes) -> Order:
    """The order of a line. It is the harness that wrote it, so its types are not checked."""
    content = json.loads(line)
    request = content["request"]
    kinds = {"model": ModelSpec, "pipeline": Pipeline, "budget": Budget, "recipe": Recipe}
    request |= {name: kind(**request[name]) for name, kind in kinds.items()}
    return Order(Request(**request), content["private"], content["sandbox"])
