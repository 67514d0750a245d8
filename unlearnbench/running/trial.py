"""One trial: hand the public problem over, judge what comes back, make the record."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.evaluation.predictions import pack
from unlearnbench.models.weights import weights_hash
from unlearnbench.problems.corruption import CORRUPTIONS
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.running.plan import PlannedTrial
from unlearnbench.running.world import World
from unlearnbench.store.schema import Base, PredictionRow, ProblemRow, TrialRow


def run_trial(trial: PlannedTrial, world: World, original: Path, run_id: str, boundary: Boundary) -> list[Base]:
    """The rows of one trial, in the order in which they must be added.

    When it ended, and the hash of the original that it started from, are for the run to say.
    """
    begin = time.perf_counter()
    truth, submission = world.truth, trial.submission
    forget = trial.problem.forget_positions(truth.corrupted)
    request = world.request(
        entry=submission.entry,
        folder=None if submission.folder is None else str(submission.folder),
        hyperparameters=submission.hyperparameters,
        seed=world.unlearning_seed(),
        original=original,
        forget=forget,
        corrupted=truth.corrupted.tolist() if submission.needs_corrupted_indices else None,
    )
    outcome = boundary.run(request, world.reference)
    results: dict[str, Any] = {"state": "failed", "reason": outcome.reason, "detail": outcome.detail}
    rows: list[Base] = []
    if outcome.weights is not None:
        begin_evaluation = time.perf_counter()
        predictions = world.predictions(outcome.weights)
        metrics = world.judge(predictions, forget)
        results = {
            "state": "finished",
            **asdict(metrics),
            "aggregate": metrics.aggregate,
            "weights_hash": weights_hash(outcome.weights),
            "evaluation_seconds": time.perf_counter() - begin_evaluation,
        }
        triggered = predictions.triggered_test
        rows = [
            PredictionRow(
                trial_key=trial.key,
                train=pack(predictions.train),
                test=pack(predictions.test),
                triggered_test=None if triggered is None else pack(triggered),
            )
        ]
    record = TrialRow(
        key=trial.key,
        run_id=run_id,
        problem_key=trial.problem_key,
        original_key=trial.original_key,
        submission_key=trial.submission_key,
        training_seed=trial.seeds.training,
        unlearning_seed=trial.seeds.unlearning,
        seconds=outcome.seconds,
        processor_seconds=outcome.processor_seconds,
        forward_samples=outcome.forward_samples,
        backward_samples=outcome.backward_samples,
        total_seconds=time.perf_counter() - begin,
        device=world.device,
        precision=world.precision,
        threads=world.suite.threads,
        isolation=boundary.level,
        protocol_version=PROTOCOL_VERSION,
        **results,
    )
    return [record, *rows]


def problem_row(trial: PlannedTrial, world: World) -> ProblemRow:
    problem, truth = trial.problem, world.truth
    return ProblemRow(
        key=trial.problem_key,
        specification=asdict(problem),
        dataset=problem.dataset,
        corruption=problem.corruption,
        regularity=CORRUPTIONS[problem.corruption].regularity,
        discovery_rate=problem.discovery_rate,
        corruption_seed=problem.seed,
        corrupted=len(truth.corrupted),
        discovered=len(problem.forget_positions(truth.corrupted)),
        training_fingerprint=world.training_fingerprint,
    )
