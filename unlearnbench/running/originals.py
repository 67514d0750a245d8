"""Original models: trained once behind the boundary, cached by key, verified whenever they are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import Timeout
from torch import nn

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.errors import HarnessError
from unlearnbench.evaluation.metrics import MEMORISED, Metrics, absorbed, memorised
from unlearnbench.models import ModelSpec, build
from unlearnbench.models.weights import Weights, parts, weights_hash
from unlearnbench.problems.case import Case
from unlearnbench.problems.streams import stream
from unlearnbench.problems.tensors import load_verified, lock, save
from unlearnbench.running.evaluating import evaluated, predictions, tied_predictions
from unlearnbench.running.plan import PlannedOriginal
from unlearnbench.running.setup import Setup

if TYPE_CHECKING:
    from unlearnbench.running.executors import Executor

ENTRY = "unlearnbench.models.training:TrainOriginal"
TRAINING_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class OriginalRecord:
    """What an original learnt of its case. `absorbed` says whether a repair of it means anything."""

    model: ModelSpec
    weights_hash: str
    memorised: float
    absorbed: bool
    metrics: Metrics


def obtain(original: PlannedOriginal, cache: Path, executor: Executor) -> tuple[OriginalRecord, float] | None:
    """Train an original, or find it in the cache, and evaluate it. Its file is `path_of(cache, original.key)`.

    A cached file that is not what was written (truncated, changed) is trained again.

    Returns:
        What it learnt, and the seconds that its training took here; None if another harness is training it.
    """
    path = path_of(cache, original.key)
    weights, seconds = load_verified(path), 0.0
    if weights is None:
        try:
            with lock(path).acquire(blocking=False):
                weights = load_verified(path)  # another harness may just have written it
                if weights is None:
                    weights, seconds = executor.train(original)
                    save(weights, path)
        except Timeout:
            return None
    return executor.evaluate(original, weights), seconds


def path_of(cache: Path, key: str) -> Path:
    return cache / f"{key[:32]}.safetensors"


def train(original: PlannedOriginal, case: Case, setup: Setup, boundary: Boundary) -> tuple[Weights, float]:
    """The weights of an original, and the seconds that its training took.

    Raises:
        HarnessError: it could not be trained.
    """
    seed, nothing = stream(original.seed, "original"), np.empty(0, dtype=np.int64)
    request = setup.request(case, original.kind, entry=ENTRY, seed=seed, forget=nothing)
    model = build(request.model)
    if request.recipe.tied_dropout is not None:  # it comes with the expansion that it was cut from
        expanded = model.widened(request.recipe.shared)
        reference = nn.ModuleDict({"dropped": model, "expanded": expanded}).state_dict()
    else:
        reference = model.state_dict()
    outcome = boundary.run(replace(request, seconds=TRAINING_SECONDS, memory_bytes=0), reference)
    if outcome.weights is None or outcome.seconds is None:
        raise HarnessError(f"{original.label} could not be trained: {outcome.reason}")
    return outcome.weights, outcome.seconds


def evaluate(original: PlannedOriginal, weights: Weights, case: Case, setup: Setup) -> OriginalRecord:
    """What an original with these weights learnt of its case."""
    dropped, expanded = parts(weights)
    found, truth = predictions(dropped, case, original.kind, setup), case.truth
    measured = evaluated(found, case, truth.corrupted, setup)
    share = memorised(found, truth)
    if expanded is None:
        learnt = absorbed(share, measured, case.spec.rules)
    else:  # what was dropped may have held it
        tied = tied_predictions(expanded, case, original.kind, setup)
        learnt = bool((tied == truth.labels[truth.corrupted]).mean() >= MEMORISED)
    return OriginalRecord(setup.model(case, original.kind), weights_hash(weights), share, learnt, measured)
