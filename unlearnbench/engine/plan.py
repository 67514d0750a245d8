"""The plan of a run: every trial of the grid with the key under which its record is stored.

A key is a hash of everything that can change the result. What is stored under it is not run again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unlearnbench.engine.isolation import Isolation
from unlearnbench.engine.submissions import Submission
from unlearnbench.problem.datasets import Dataset
from unlearnbench.problem.streams import Seeds
from unlearnbench.problem.suite import Originals, OriginalSpec, ProblemSpec, Suite, problems

PROTOCOL_VERSION = 2
"""Raised when the same specification is to give other numbers: stored records are then no longer taken for it."""


@dataclass(frozen=True)
class PlannedTrial:
    problem: ProblemSpec
    original: OriginalSpec
    seeds: Seeds
    submission: Submission
    key: str
    problem_key: str
    original_key: str
    submission_key: str


def content_key(**content: Any) -> str:
    """SHA-256 of the content as canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def stands_on(submission: Submission, originals: Originals) -> list[OriginalSpec]:
    """The originals of a suite that this submission is run on; one that needs tied dropout brings its own."""
    trainings = ("tied-dropout",) if submission.needs_tied_dropout else originals.trainings
    return [OriginalSpec(*pair) for pair in itertools.product(originals.capacities, trainings)]


def plan(
    suite: Suite,
    dataset: Dataset,
    submissions: Sequence[Submission],
    *,
    precision: str,
    device: str,
    isolation: Isolation = "process",
) -> list[PlannedTrial]:
    """All trials of the suite: problem by problem, every submission on each, on every original it stands on."""
    keyed = [
        (
            item,
            content_key(
                name=item.name,
                variant=item.variant,
                hyperparameters=item.hyperparameters,
                needs=item.needs_corrupted_indices,
                entry=item.entry,
                source=item.source_hash,
            ),
        )
        for item in submissions
    ]
    machine = {"precision": precision, "device": device, "threads": suite.threads, "protocol": PROTOCOL_VERSION}
    # What a lower level let a submission do is not known, so its records are not taken for those of a higher one.
    level = {} if isolation == "process" else {"isolation": isolation}
    trials = []
    for problem, seeds in problems(suite, dataset):
        problem_key = content_key(**asdict(problem), protocol=PROTOCOL_VERSION)
        original_keys = {
            original: content_key(
                problem=problem.original_identity(),
                seed=seeds.training,
                model={**asdict(suite.model), "capacity": original.capacity},
                recipe=asdict(suite.recipe_of(original)),
                **machine,
            )
            for submission in submissions
            for original in stands_on(submission, suite.originals)
        }
        for submission, submission_key in keyed:
            for original in stands_on(submission, suite.originals):
                original_key = original_keys[original]
                key = content_key(
                    problem=problem_key,
                    original=original_key,
                    submission=submission_key,
                    seed=seeds.unlearning,
                    budget=asdict(suite.budget),
                    limits=asdict(suite.limits),
                    **level,
                )
                trials.append(
                    PlannedTrial(problem, original, seeds, submission, key, problem_key, original_key, submission_key)
                )
    return trials
