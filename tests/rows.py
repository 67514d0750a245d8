"""One row of each table, as a small run leaves them; what matters to a test is changed by name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from unlearnbench.evaluation.predictions import pack
from unlearnbench.store.schema import (
    Base,
    OriginalRow,
    PlannedTrialRow,
    PredictionRow,
    ProblemRow,
    RunRow,
    SubmissionRow,
    TrialRow,
)

MEASURED = (
    *("healed_train", "healed_discovered", "healed_undiscovered", "healed_test", "utility", "utility_train"),
    *("misled_discovered", "misled_undiscovered", "attack_success"),
    *("aggregate", "selection_score", "evaluation_seconds", "weights_hash"),
)
"""What only a finished trial has."""
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901)


def run(**changes: Any) -> RunRow:
    values = {
        "id": "r",
        "suite": "small",
        "suite_specification": {"title": "Small", "discovery_rates": [0.5]},
        "data_fingerprint": "d" * 64,
        "protocol_version": 1,
        "started_at": NOW,
        "finished_at": None,
        "versions": {"torch": "2.7"},
        "hardware": {"cores": 2},
        "precision": "float32",
        "isolation": "process",
        "workers": 2,
        "revision": None,
    }
    return RunRow(**values | changes)


def problem(**changes: Any) -> ProblemRow:
    values = {
        "key": "p",
        "specification": {"size": 10, "class_pair": [3, 5]},
        "dataset": "digits",
        "corruption": "random-swap",
        "regularity": "low",
        "discovery_rate": 0.1 + 0.2,
        "corruption_seed": 2**40,
        "corrupted": 10,
        "discovered": 5,
        "training_fingerprint": "f" * 64,
    }
    return ProblemRow(**values | changes)


def original(**changes: Any) -> OriginalRow:
    values = {
        "key": "o",
        "specification": {"case": {"corruption": "random-swap", "seed": 7}},
        "capacity": 0.5,
        "training": "standard",
        "training_seed": 0,
        "precision": "float32",
        "weights_hash": "w" * 64,
        "seconds": 1.5,
        "memorised": 0.9,
        "absorbed": True,
        "healed_train": 0.1,
        "healed_test": 0.2,
        "utility": 0.9,
        "utility_train": 0.95,
    }
    return OriginalRow(**values | changes)


def submission(**changes: Any) -> SubmissionRow:
    values = {
        "key": "s",
        "name": "npo",
        "variant": "default",
        "title": "NPO",
        "authors": ["A", "B"],
        "paper": "",
        "license": "Apache-2.0",
        "role": "ranked",
        "needs_corrupted_indices": False,
        "hyperparameters": {"beta": 1.0},
        "source_hash": "0" * 64,
    }
    return SubmissionRow(**values | changes)


def planned(**changes: Any) -> PlannedTrialRow:
    values = {
        "run_id": "r",
        "trial_key": "t",
        "problem_key": "p",
        "submission_key": "s",
        "original_key": "o",
        "training_seed": 0,
        "unlearning_seed": 0,
        "capacity": 0.5,
        "training": "standard",
    }
    return PlannedTrialRow(**values | changes)


def trial(**changes: Any) -> TrialRow:
    values = {
        "key": "t",
        "run_id": "r",
        "problem_key": "p",
        "original_key": "o",
        "original_weights_hash": "w" * 64,
        "submission_key": "s",
        "training_seed": 0,
        "unlearning_seed": 0,
        "state": "finished",
        "healed_train": 0.5,
        "healed_discovered": 0.6,
        "healed_undiscovered": 0.4,
        "misled_discovered": 0.1,
        "misled_undiscovered": 0.2,
        "attack_success": None,
        "healed_test": 1 / 3,
        "utility": 0.8,
        "utility_train": 0.85,
        "aggregate": 0.4,
        "selection_score": 0.3,
        "seconds": 2.0,
        "processor_seconds": 2.5,
        "forward_samples": 2**33,
        "backward_samples": 50,
        "evaluation_seconds": 0.1,
        "total_seconds": 3.0,
        "weights_hash": "a" * 64,
        "device": "cpu",
        "precision": "float32",
        "threads": 1,
        "isolation": "process",
        "limits": "counted",
        "protocol_version": 1,
        "created_at": NOW,
    }
    return TrialRow(**values | changes)


def failed(**changes: Any) -> TrialRow:
    """A trial that ended with an error: it has no metrics."""
    ended = {"state": "failed", "reason": "raised: ValueError: no", "detail": "Traceback ..."}
    return trial(**dict.fromkeys(MEASURED) | ended | changes)


def prediction(classes: list[int] | None = None, **changes: Any) -> PredictionRow:
    packed = pack(np.array(classes or [1, 2, 3]))
    return PredictionRow(**{"trial_key": "t", "train": packed, "test": packed, "triggered_test": None} | changes)


def whole() -> list[Base]:
    """A run with one finished trial."""
    return [run(), problem(), original(), submission(), planned(), trial(), prediction()]
