"""Original models: trained once behind the boundary, cached by key, and verified on every read."""

from __future__ import annotations

from collections.abc import Callable
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
    """What an original learnt of its corruption.

    Attributes:
        memorised: fraction of the corrupted samples that it gives their label of D_tr.
        absorbed: whether it learnt the corruption. If not, trials that start from it measure nothing.
    """

    model: ModelSpec
    weights_hash: str
    memorised: float
    absorbed: bool
    metrics: Metrics


def obtain(original: PlannedOriginal, cache: Path, executor: Executor) -> tuple[OriginalRecord, float] | None:
    """Load an original from the cache, or train it, and evaluate it. Its file is `path_of(cache, original.key)`.

    A damaged file is replaced by training again.

    Returns:
        Its record and the seconds spent on training it here, or None if another harness is training it.
    """
    path = path_of(cache, original.key)
    weights, seconds = load_verified(path), 0.0
    if weights is None:
        try:
            with lock(path).acquire(blocking=False):
                weights = load_verified(path)  # another harness may have written it meanwhile
                if weights is None:
                    weights, seconds = executor.train(original)
                    save(weights, path)
        except Timeout:
            return None
    return executor.evaluate(original, weights), seconds


def path_of(cache: Path, key: str) -> Path:
    return cache / f"{key[:32]}.safetensors"


def train(
    original: PlannedOriginal, case: Case, setup: Setup, boundary: Boundary, trained: Callable[[int], None]
) -> tuple[Weights, float]:
    """Train an original. Returns its weights and the training time in seconds.

    Args:
        trained: called about once a second with the number of samples it has been trained on.

    Raises:
        HarnessError: training failed.
    """
    seed, nothing = stream(original.case.drawn_from(original.seed), "original"), np.empty(0, dtype=np.int64)
    request = setup.request(case, original.kind, entry=ENTRY, seed=seed, forget=nothing)
    model = build(request.model)
    if request.recipe.tied_dropout is not None:  # the trial also returns the expanded model
        expanded = model.widened(request.recipe.shared)
        reference = nn.ModuleDict({"dropped": model, "expanded": expanded}).state_dict()
    else:
        reference = model.state_dict()
    outcome = boundary.run(replace(request, seconds=TRAINING_SECONDS, memory_bytes=0), reference, trained)
    if outcome.weights is None or outcome.seconds is None:
        raise HarnessError(f"training of {original.label} failed: {outcome.reason}")
    return outcome.weights, outcome.seconds


def evaluate(original: PlannedOriginal, weights: Weights, case: Case, setup: Setup) -> OriginalRecord:
    """Evaluate the weights of an original on its case."""
    dropped, expanded = parts(weights)
    found, truth = predictions(dropped, case, original.kind, setup), case.truth
    measured = evaluated(found, case, truth.corrupted, setup)
    share = memorised(found, truth)
    if expanded is None:
        learnt = absorbed(share, measured, case.spec.rules)
    else:  # the corruption may have been learnt by the dropped channels, so evaluate the expanded model
        tied = tied_predictions(expanded, case, original.kind, setup)
        learnt = bool((tied == truth.labels[truth.corrupted]).mean() >= MEMORISED)
    return OriginalRecord(setup.model(case, original.kind), weights_hash(weights), share, learnt, measured)
