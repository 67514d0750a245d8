"""The input of the boundary: a request, and the order that carries it to the server."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from unlearnbench.contract.images import Pipeline
from unlearnbench.contract.recipe import Budget, Recipe
from unlearnbench.models import ModelSpec
from unlearnbench.submissions.sources import Sources


@dataclass(frozen=True)
class Request:
    """All input of the process of a trial.

    Attributes:
        entry: the method, as `module:Class`.
        training_set: file with the images and labels of D_tr.
        forget: the found set, positions in D_tr.
        seconds: time limit of importing the submission and of `unlearn` together.
        memory_bytes: memory limit of all processes together. 0 for no limit.
        original: file with the original. None when an original is trained.
        sources: files of the submission, which the boundary writes to a folder. None for an installed package.
        source_hash: hash of these files when the trial was planned.
        folder: folder with these files, set by the boundary.
        environment: the environment whose Python runs the trial. None for that of the harness.
        corrupted: D_m, positions in D_tr, if submission.toml declares that the method needs it.
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
    sources: Sources | None = None
    source_hash: str = ""
    folder: str | None = None
    environment: str | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    corrupted: list[int] | None = None


@dataclass(frozen=True)
class Order:
    """A request, and where it runs.

    Attributes:
        private: the only folder that the trial may write to.
        cores: the processor cores that it may use. Empty for all.
        group: its control group. None if its limits are counted.
        sandbox: command that creates its namespaces. None at level `process`.
        given: files to copy into them, by their path there.
    """

    request: Request
    private: str
    cores: list[int] = field(default_factory=list)
    group: str | None = None
    sandbox: list[str] | None = None
    given: dict[str, str] = field(default_factory=dict)

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def read_order(line: bytes) -> Order:
    """Parse the output of `Order.to_line`. It comes from trusted code, so types are not checked."""
    content = json.loads(line)
    request = content["request"]
    kinds = {"model": ModelSpec, "pipeline": Pipeline, "budget": Budget, "recipe": Recipe}
    request |= {name: kind(**request[name]) for name, kind in kinds.items()}
    return Order(**content | {"request": Request(**request)})
