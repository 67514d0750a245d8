"""The plan of a run: every trial of the grid with the key under which its record is stored.

A key is a hash of everything that can change the result. What is stored under it is not run again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.identity import given
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import Originals, OriginalSpec, ProblemSpec, Suite, problems
from unlearnbench.submissions.finding import Submission


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


def needs_of(submission: Submission) -> dict[str, bool]:
    """What a submission is given beyond, or without, what all are."""
    needs = {"corrupted_indices": submission.needs_corrupted_indices, "forget_set": submission.needs_forget_set}
    return {name: value for name, value in needs.items() if value != (name == "forget_set")}


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
    """All trials of the suite: problem by problem, every submission on each, on every original it stands on.

    One that uses no forget set is on a problem of discovery rate 0, once for each original.
    """
    keyed = [
        (
            item,
            content_key(
                name=item.name,
                variant=item.variant,
                hyperparameters=item.hyperparameters,
                needs=needs_of(item),
                entry=item.entry,
                source=item.source_hash,
            ),
        )
        for item in submissions
    ]
    machine: dict[str, Any] = {"precision": precision, "device": device, "protocol": PROTOCOL_VERSION}
    machine |= {"threads": suite.threads} if suite.threads != 1 else {}
    # What a lower level let a submission do is not known, so its records are not taken for those of a higher one.
    level = {} if isolation == "process" else {"isolation": isolation}
    trials = []
    for problem, seeds in problems(suite, dataset):
        here = [item for item in keyed if item[0].needs_forget_set == (problem.discovery_rate > 0)]
        problem_key = content_key(**given(problem), protocol=PROTOCOL_VERSION)
        original_keys = {
            original: content_key(
                problem={name: value for name, value in given(problem).items() if name != "discovery_rate"},
                seed=seeds.training,
                model={**given(suite.model), "capacity": original.capacity},
                recipe=given(suite.recipe_of(original)),
                **machine,
            )
            for submission, _ in here
            for original in stands_on(submission, suite.originals)
        }
        for submission, submission_key in here:
            for original in stands_on(submission, suite.originals):
                original_key = original_keys[original]
                key = content_key(
                    problem=problem_key,
                    original=original_key,
                    submission=submission_key,
                    seed=seeds.unlearning,
                    budget=given(suite.budget),
                    limits=given(suite.limits),
                    **level,
                )
                trials.append(
                    PlannedTrial(problem, original, seeds, submission, key, problem_key, original_key, submission_key)
                )
    return trials
