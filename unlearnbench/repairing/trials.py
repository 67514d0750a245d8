"""One method on what was given: across the boundary, then accuracies against the given labels. There is no truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.request import Request
from unlearnbench.contract.classifier import evaluating
from unlearnbench.contract.images import Pipeline
from unlearnbench.evaluation.metrics import accuracy, accuracy_if_any, selection_score
from unlearnbench.models import ModelSpec, build
from unlearnbench.models.weights import Weights
from unlearnbench.problems.identity import content_key
from unlearnbench.problems.tensors import load_verified, save
from unlearnbench.repairing.given import Given
from unlearnbench.submissions.finding import Submission

Probabilities = npt.NDArray[np.float64]
BATCH = 64
"""Images that are evaluated at a time: they may be large."""


@dataclass(frozen=True)
class Accuracies:
    """Accuracies in [0, 1] against the given labels. None if there are no samples.

    Attributes:
        retain: on D_r, all samples that nobody has found.
        forget: on D_f.
        held_out: on the part of D_r that methods do not get.
    """

    retain: float
    forget: float | None
    held_out: float | None

    def score(self, stop_accuracy: float) -> float:
        """The blind rule of tuning. Without found samples nothing is to be forgotten, and Acc(D_r) alone decides."""
        return selection_score(self.retain, 0.0 if self.forget is None else self.forget, stop_accuracy)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A model on all samples of the folder: probabilities float64 [N, classes]."""

    probabilities: Probabilities = field(repr=False)
    accuracies: Accuracies


@dataclass(frozen=True, eq=False)
class Trial:
    """How one method ended. Exactly one of `result` and `reason` is None.

    Attributes:
        weights: file of the repaired weights. None if there are none.
        seconds: wall-clock time in `unlearn`. None if it was finished before this command.
    """

    submission: Submission
    result: Evaluated | None
    reason: str | None
    weights: Path | None
    seconds: float | None
    score: float = 0.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """A method, what it is asked, and the file that keeps its weights."""

    submission: Submission
    request: Request
    file: Path


def prepared(submission: Submission, request: Request, original: str, given: Given, folder: Path) -> Prepared:
    """Prepare a trial of this method.

    Args:
        request: without what belongs to the method.
        original: key of the original that the request starts from.
        folder: where weights are kept. The caller holds the lock of the repair.
    """
    request = replace(
        request,
        entry=submission.entry,
        sources=submission.sources,
        source_hash=submission.source_hash,
        hyperparameters=submission.hyperparameters,
        forget=given.forget.tolist() if submission.needs_forget_set else [],
    )
    return Prepared(submission, request, folder / f"{_key(request, original, given)[:32]}.safetensors")


def kept(trial: Prepared, given: Given) -> Trial | None:
    """The trial with the weights that an earlier command kept, or None if none did."""
    weights = load_verified(trial.file)
    return None if weights is None else _judged(trial, weights, given, None)


def run_trial(trial: Prepared, given: Given, boundary: Boundary) -> Trial:
    """Run a method, and keep its weights.

    Raises:
        HarnessError: the harness failed.
    """
    outcome = boundary.run(trial.request, build(trial.request.model).state_dict())
    if outcome.weights is None:
        return Trial(trial.submission, None, outcome.reason, None, outcome.seconds)
    save(outcome.weights, trial.file)
    return _judged(trial, outcome.weights, given, outcome.seconds)


def _judged(trial: Prepared, weights: Weights, given: Given, seconds: float | None) -> Trial:
    request = trial.request
    result = evaluated(weights, request.model, request.pipeline, given, request.device)
    score = result.accuracies.score(request.budget.stop_accuracy)
    return Trial(trial.submission, result, None, trial.file, seconds, score)


def _key(request: Request, original: str, given: Given) -> str:
    """A hash of all that the weights follow from, apart from packages of this machine."""
    return content_key(
        original=original,
        held_out=given.held_out.tolist(),
        entry=request.entry,
        source=request.source_hash,
        hyperparameters=request.hyperparameters,
        forget=request.forget,
        pipeline=vars(request.pipeline),
        budget=vars(request.budget),
        recipe=vars(request.recipe),
        seed=request.seed,
        precision=request.precision,
        device=request.device,
    )


def evaluated(weights: Weights, spec: ModelSpec, pipeline: Pipeline, given: Given, device: str) -> Evaluated:
    """What a model with these weights says of all samples, in float32 and without augmentation."""
    model = build(spec).to(torch.device(device))
    model.load_state_dict(weights)

    def part(images: Tensor) -> Tensor:
        logits: Tensor = model(pipeline.normalised(images.to(torch.device(device))))
        return logits.double().softmax(dim=1).cpu()

    with evaluating(model):
        found = torch.cat([part(images) for images in given.images.split(BATCH)]).numpy()
    predicted = found.argmax(axis=1)
    return Evaluated(
        found,
        Accuracies(
            retain=accuracy(predicted, given.labels, given.retain),
            forget=accuracy_if_any(predicted, given.labels, given.found),
            held_out=accuracy_if_any(predicted, given.labels, given.held_out),
        ),
    )


def best(trials: Iterable[Trial]) -> Trial | None:
    """The finished trial with the highest score; of equal ones the first. None if none has finished."""
    return max((trial for trial in trials if trial.result is not None), key=lambda trial: trial.score, default=None)
