"""Rows as a run of the suite `tiny` leaves them, without running it: keys, metrics and predictions belong together."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests import rows
from tests.tiny import tiny
from unlearnbench.contract.recipe import Recipe
from unlearnbench.evaluation.metrics import metrics
from unlearnbench.evaluation.predictions import Predictions, pack
from unlearnbench.problems.case import Case, build
from unlearnbench.problems.datasets import Dataset, load_for
from unlearnbench.problems.grid import CaseSpec, problems
from unlearnbench.problems.identity import original_key, problem_key, trial_key
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.suite import Model, Suite
from unlearnbench.store.schema import Base
from unlearnbench.store.store import Store

SUITE: Suite = replace(tiny(), corruptions=("class-swap", "poison-trigger"))
START = datetime(2026, 10, 1, 12)


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@cache
def dataset() -> Dataset:
    return load_for(SUITE, Path("data"))


@cache
def case_of(spec: CaseSpec) -> Case:
    return build(spec, dataset())


def whole(
    run: str = "a",
    source: str = "1",
    healed: float = 0.5,
    at: datetime = START,
    isolation: str = "process",
    suite: Suite = SUITE,
) -> list[Base]:
    """A run with a finished trial on each corruption, and a failed one.

    Args:
        run: a hexadecimal digit, of which the run's id is made; `source` likewise, of the submission's source hash.
        healed: share of the corrupted samples that get their true label.
    """
    kind, run_id, submission = suite.base, run * 32, f"{source}e" * 32
    found: list[Base] = [
        rows.run(
            id=run_id,
            suite=suite.name,
            suite_specification=_json(suite),
            data_fingerprint=dataset().fingerprint,
            protocol_version=PROTOCOL_VERSION,
            started_at=at,
            finished_at=at + timedelta(minutes=1),
            isolation=isolation,
        ),
        rows.submission(key=submission, name="mine", source_hash=source * 64),
    ]
    for problem, seeds in problems(suite, dataset()):
        if problem.discovery_rate == 0:
            continue
        case = case_of(problem.case)
        of_problem = problem_key(problem)
        original = original_key(suite, problem.case, kind, seeds.training, "float32", "cpu")
        key = trial_key(suite, of_problem, original, submission, seeds.unlearning, isolation)
        forget = problem.found(case.truth)
        common = {
            "run_id": run_id,
            "problem_key": of_problem,
            "submission_key": submission,
            "original_key": original,
            "training_seed": seeds.training,
            "unlearning_seed": seeds.unlearning,
        }
        train = case.truth.labels.copy()
        repaired = case.truth.corrupted[: round(healed * len(case.truth.corrupted))]
        train[repaired] = case.truth.true_labels[repaired]
        predicted = Predictions(train, case.test.labels, case.test.labels if case.spec.rules.triggered else None)
        measured = metrics(predicted, case.truth, forget, case.test, 0.2)
        found += [
            rows.problem(
                key=of_problem,
                specification=_json(problem),
                dataset=problem.case.dataset,
                corruption=case.spec.corruption,
                regularity=case.spec.rules.regularity,
                discovery_rate=problem.discovery_rate,
                corruption_seed=case.spec.seed,
                corrupted=len(case.truth.corrupted),
                discovered=len(forget),
                training_fingerprint=case.truth.fingerprint,
            ),
            rows.original(
                key=original,
                specification={
                    "case": _json(problem.case),
                    "model": {**_json(suite.model), "capacity": kind.capacity},
                    "recipe": _json(suite.recipe),
                },
                weights_hash="b" * 64,
            ),
            rows.planned(trial_key=key, **common),
            rows.trial(
                key=key,
                **common,
                **{**asdict(measured), "aggregate": measured.aggregate},
                original_weights_hash="b" * 64,
                isolation=isolation,
                protocol_version=PROTOCOL_VERSION,
                created_at=at + timedelta(seconds=30),
            ),
            rows.prediction(
                trial_key=key,
                train=pack(predicted.train),
                test=pack(predicted.test),
                triggered_test=None if predicted.triggered_test is None else pack(np.array(predicted.triggered_test)),
            ),
        ]
    return found


def _json(specification: Any) -> Any:
    """As it is read from a store: with lists for tuples, without what is not stored."""
    stored = asdict(specification) if isinstance(specification, Model | Recipe) else specification.stored()
    return json.loads(json.dumps(stored))


def written(path: Path, *found: Base) -> Path:
    """A store with these rows, in one file."""
    with Store(str(path)) as store:
        store.add(found or whole())
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return path
