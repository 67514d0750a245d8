"""Original models: trained once behind the boundary, cached by key, verified whenever they are read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import Timeout

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.errors import HarnessError
from unlearnbench.evaluation.metrics import MEMORISED, absorbed, memorised
from unlearnbench.models.weights import Weights, parts, weights_hash
from unlearnbench.problems.tensors import load_verified, lock, save
from unlearnbench.running.world import World
from unlearnbench.store.schema import OriginalRow

if TYPE_CHECKING:
    from unlearnbench.running.executors import Executor

ENTRY = "unlearnbench.models.training:Original"
TRAINING_SECONDS = 24 * 3600.0


def original(world: World, key: str, cache: Path, executor: Executor) -> OriginalRow | None:
    """Train, or find in the cache, the original of this world, and judge it. Its file is `path_of(cache, key)`.

    A cached file that is not what was written (truncated, changed) is trained again. None if another harness is
    training it: ask again later.
    """
    path = path_of(cache, key)
    weights, seconds = load_verified(path), 0.0
    if weights is None:
        try:
            with lock(path).acquire(blocking=False):
                weights = load_verified(path)  # another harness may just have written it
                if weights is None:
                    weights, seconds = executor.train(world)
                    save(weights, path)
        except Timeout:
            return None
    return executor.judge(world, key, weights, seconds)


def path_of(cache: Path, key: str) -> Path:
    return cache / f"{key[:32]}.safetensors"


def judged(world: World, key: str, weights: Weights, seconds: float) -> OriginalRow:
    """What these weights, which were trained in so many seconds, learnt of their world."""
    dropped, expanded = parts(weights)
    predictions, truth = world.predictions(dropped), world.truth
    metrics = world.judge(predictions, truth.corrupted)
    share = memorised(predictions, truth)
    if expanded is None:
        learnt = absorbed(share, metrics, world.problem.rules)
    else:  # what was dropped may have held it
        learnt = bool((world.tied_predictions(expanded) == truth.labels[truth.corrupted]).mean() >= MEMORISED)
    return OriginalRow(
        key=key,
        specification={
            "problem": world.problem.original_identity(),
            "model": world.model,
            "recipe": asdict(world.recipe),
        },
        capacity=world.original.capacity,
        training=world.original.training,
        training_seed=world.seeds.training,
        precision=world.precision,
        weights_hash=weights_hash(weights),
        seconds=seconds,
        memorised=share,
        absorbed=learnt,
        healed_train=metrics.healed_train,
        healed_test=metrics.healed_test,
        utility=metrics.utility,
        utility_train=metrics.utility_train,
    )


def trained(world: World, boundary: Boundary) -> tuple[Weights, float]:
    """Train it; the weights, and the seconds that this took."""
    request = world.request(
        entry=ENTRY,
        seed=world.training_seed(),
        original=None,
        forget=np.empty(0, dtype=np.int64),
        seconds=TRAINING_SECONDS,
        memory_bytes=0,
    )
    outcome = boundary.run(request, world.original_reference)
    if outcome.weights is None or outcome.seconds is None:
        raise HarnessError(
            f"the original for {world.problem.corruption}, seed {world.seeds.training}, could not be trained:"
            f" {outcome.reason}"
        )
    return outcome.weights, outcome.seconds
