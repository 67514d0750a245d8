"""One trial: send the public problem across the boundary, evaluate the weights, make the record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.cgroup import Enforcement
from unlearnbench.boundary.request import Request
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.evaluation.metrics import Metrics
from unlearnbench.evaluation.predictions import Predictions
from unlearnbench.models import build
from unlearnbench.models.weights import weights_hash
from unlearnbench.problems.case import Case
from unlearnbench.problems.streams import stream
from unlearnbench.running.evaluating import evaluated, predictions
from unlearnbench.running.plan import PlannedTrial
from unlearnbench.running.setup import Setup
from unlearnbench.submissions.requirements import installed_versions
from unlearnbench.submissions.sources import find_package


@dataclass(frozen=True)
class Result:
    """The evaluation of a finished trial."""

    predictions: Predictions
    metrics: Metrics
    weights_hash: str
    seconds: float
    """Duration of the evaluation."""


@dataclass(frozen=True)
class Record:
    """The outcome of a trial: a result, or the reason for its failure.

    Attributes:
        limits: how the limits on memory and processes were held.
        detail: end of the traceback and of what the submission printed.
        seconds: wall-clock time of importing the submission and in `unlearn`. None if it did not begin.
        processor_seconds: processor time of all processes of the trial. None if unknown.
        total_seconds: wall-clock time of the whole trial, including set-up and evaluation.
    """

    result: Result | None
    reason: str | None
    detail: str | None
    seconds: float | None
    processor_seconds: float | None
    forward_samples: int | None
    backward_samples: int | None
    total_seconds: float
    limits: Enforcement


def run_trial(trial: PlannedTrial, case: Case, original: Path, setup: Setup, boundary: Boundary) -> Record:
    """Run a trial, starting from the original in the given file.

    Raises:
        HarnessError: the harness failed, or the code of the submission is no longer that of the plan.
    """
    begin = time.perf_counter()
    request = request_of(trial, case, original, setup)
    _check_installed(trial)
    outcome = boundary.run(request, build(request.model).state_dict())
    _check_installed(trial)  # it may have been upgraded just before the trial imported it
    result = None
    if outcome.weights is not None:
        begin_evaluation = time.perf_counter()
        found = predictions(outcome.weights, case, trial.original.kind, setup)
        measured = evaluated(found, case, trial.problem.found(case.truth), setup)
        result = Result(found, measured, weights_hash(outcome.weights), time.perf_counter() - begin_evaluation)
    return Record(
        result,
        outcome.reason,
        outcome.detail,
        outcome.seconds,
        outcome.processor_seconds,
        outcome.forward_samples,
        outcome.backward_samples,
        time.perf_counter() - begin,
        boundary.enforcement,
    )


def request_of(trial: PlannedTrial, case: Case, original: Path, setup: Setup) -> Request:
    """What the process of a trial gets. `original` is the file of the weights that it starts from."""
    submission = trial.submission
    seed = stream(trial.problem.case.drawn_from(trial.unlearning_seed), "unlearning")
    forget = trial.problem.found(case.truth)
    return replace(
        setup.request(case, trial.original.kind, entry=submission.entry, seed=seed, forget=forget),
        sources=submission.sources,
        source_hash=submission.source_hash,
        hyperparameters=submission.hyperparameters,
        original=str(original),
        environment=None if submission.environment is None else str(submission.environment),
        corrupted=case.truth.corrupted.tolist() if submission.needs_corrupted_indices else None,
    )


def _check_installed(trial: PlannedTrial) -> None:
    """Check that an installed method and required packages, which are not copied, are those of the plan.

    Raises:
        HarnessError: one of them is missing here, or has changed.
    """
    submission = trial.submission
    try:
        versions = installed_versions(submission.name, submission.requires, submission.environment)
    except UsageError as error:
        raise HarnessError(f"{error} (on this machine, after the plan was made)") from error
    if versions != trial.packages:
        raise HarnessError(
            f"the packages of submission '{submission.name}' are no longer those of the plan"
            f" ({_listed(trial.packages)}, now {_listed(versions)}): start the run again"
        )
    if submission.sources is None and (find_package(submission.entry) or (None, None))[1] != submission.source_hash:
        raise HarnessError(
            f"installed method '{submission.name}' is missing or differs from that of the plan (hash"
            f" {submission.source_hash[:12]}): install the planned version, or start the run again"
        )


def _listed(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items())
