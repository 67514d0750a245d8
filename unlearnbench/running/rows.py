"""Conversion of plans and records to rows of the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

import numpy as np

from unlearnbench.evaluation.predictions import pack
from unlearnbench.problems.case import Case
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.running.originals import OriginalRecord
from unlearnbench.running.plan import PlannedOriginal, PlannedTrial
from unlearnbench.running.setup import Setup
from unlearnbench.running.trial import Record
from unlearnbench.store.schema import OriginalRow, PlannedTrialRow, PredictionRow, ProblemRow, SubmissionRow, TrialRow
from unlearnbench.submissions.finding import Submission


def problem_rows(trials: Iterable[PlannedTrial], case: Case) -> list[ProblemRow]:
    """Rows of the problems of these trials, which must all be of the given case."""
    corrupted = case.truth.corrupted
    return [
        ProblemRow(
            key=trial.problem_key,
            specification=trial.problem.stored(),
            dataset=case.spec.dataset,
            corruption=case.spec.corruption,
            regularity=case.spec.rules.regularity,
            discovery_rate=trial.problem.discovery_rate,
            corruption_seed=case.spec.seed,
            corrupted=len(corrupted),
            discovered=len(np.intersect1d(trial.problem.found(case.truth), corrupted)),
            training_fingerprint=case.truth.fingerprint,
        )
        for trial in trials
    ]


def submission_row(key: str, item: Submission) -> SubmissionRow:
    return SubmissionRow(
        key=key,
        name=item.name,
        variant=item.variant,
        title=item.title,
        authors=list(item.authors),
        paper=item.paper,
        license=item.license,
        role=item.role,
        needs_corrupted_indices=item.needs_corrupted_indices,
        hyperparameters=item.hyperparameters,
        source_hash=item.source_hash,
    )


def planned_row(trial: PlannedTrial, run_id: str) -> PlannedTrialRow:
    return PlannedTrialRow(
        run_id=run_id,
        trial_key=trial.key,
        problem_key=trial.problem_key,
        submission_key=trial.submission_key,
        original_key=trial.original.key,
        training_seed=trial.original.seed,
        unlearning_seed=trial.unlearning_seed,
        capacity=trial.original.kind.capacity,
        training=trial.original.kind.training,
    )


def original_row(original: PlannedOriginal, record: OriginalRecord, seconds: float, setup: Setup) -> OriginalRow:
    """Row of an original. `seconds` is its training time."""
    kind, measured = original.kind, record.metrics
    return OriginalRow(
        key=original.key,
        specification={
            "case": original.case.stored(),
            "model": asdict(record.model),
            "recipe": asdict(setup.suite.recipe_of(kind)),
        },
        capacity=kind.capacity,
        training=kind.training,
        training_seed=original.seed,
        precision=setup.precision,
        weights_hash=record.weights_hash,
        seconds=seconds,
        memorised=record.memorised,
        absorbed=record.absorbed,
        healed_train=measured.healed_train,
        healed_test=measured.healed_test,
        utility=measured.utility,
        utility_train=measured.utility_train,
    )


def trial_rows(
    trial: PlannedTrial, record: Record, run_id: str, original_weights_hash: str, created_at: datetime, setup: Setup
) -> tuple[TrialRow, PredictionRow | None]:
    """Row of a record, and of its predictions if the trial finished."""
    result = record.result
    row = TrialRow(
        key=trial.key,
        run_id=run_id,
        problem_key=trial.problem_key,
        original_key=trial.original.key,
        original_weights_hash=original_weights_hash,
        submission_key=trial.submission_key,
        training_seed=trial.original.seed,
        unlearning_seed=trial.unlearning_seed,
        state="failed" if result is None else "finished",
        reason=record.reason,
        detail=record.detail,
        seconds=record.seconds,
        processor_seconds=record.processor_seconds,
        forward_samples=record.forward_samples,
        backward_samples=record.backward_samples,
        evaluation_seconds=None if result is None else result.seconds,
        total_seconds=record.total_seconds,
        weights_hash=None if result is None else result.weights_hash,
        device=setup.device,
        precision=setup.precision,
        threads=setup.suite.threads,
        isolation=setup.isolation,
        limits=record.limits,
        protocol_version=PROTOCOL_VERSION,
        created_at=created_at,
    )
    if result is None:
        return row, None
    for name, value in (asdict(result.metrics) | {"aggregate": result.metrics.aggregate}).items():
        setattr(row, name, value)
    found = result.predictions
    triggered = None if found.triggered_test is None else pack(found.triggered_test)
    return row, PredictionRow(
        trial_key=trial.key, train=pack(found.train), test=pack(found.test), triggered_test=triggered
    )
