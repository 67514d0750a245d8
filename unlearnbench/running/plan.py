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

from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.grid import CaseSpec, ProblemSpec, problems
from unlearnbench.problems.identity import given
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.suite import Originals, OriginalSpec, Suite
from unlearnbench.running.setup import Setup
from unlearnbench.submissions.finding import Submission


@dataclass(frozen=True)
class PlannedOriginal:
    """An original model: of this kind, trained with this seed on this case."""

    case: CaseSpec
    kind: OriginalSpec
    seed: int
    key: str

    @property
    def label(self) -> str:
        return f"the original for {self.case.corruption}, corruption seed {self.case.seed}, {self.kind.label}"


@dataclass(frozen=True)
class PlannedTrial:
    """One method on one problem from one original."""

    problem: ProblemSpec
    original: PlannedOriginal
    submission: Submission
    unlearning_seed: int
    key: str
    problem_key: str
    submission_key: str


def content_key(**content: Any) -> str:
    """SHA-256 of the content as canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def needs_of(submission: Submission) -> dict[str, bool]:
    """What a submission is given beyond, or without, what all are."""
    needs = {"corrupted_indices": submission.needs_corrupted_indices, "forget_set": submission.needs_forget_set}
    return {name: value for name, value in needs.items() if value != (name == "forget_set")}


def kinds_of(submission: Submission, originals: Originals) -> list[OriginalSpec]:
    """The originals of a suite that this submission starts from; one that needs tied dropout brings its own kind."""
    trainings = ("tied-dropout",) if submission.needs_tied_dropout else originals.trainings
    return [OriginalSpec(*pair) for pair in itertools.product(originals.capacities, trainings)]


def plan(
    setup: Setup, dataset: Dataset, submissions: Sequence[Submission], part: Suite | None = None
) -> list[PlannedTrial]:
    """All trials of the suite, or of a part of it: problem by problem, every submission from each of its originals.

    One that uses no forget set is on a problem of discovery rate 0, once for each original.
    """
    suite = setup.suite
    submission_keys = [
        content_key(
            name=item.name,
            variant=item.variant,
            hyperparameters=item.hyperparameters,
            needs=needs_of(item),
            entry=item.entry,
            source=item.source_hash,
        )
        for item in submissions
    ]
    machine: dict[str, Any] = {"precision": setup.precision, "device": setup.device, "protocol": PROTOCOL_VERSION}
    machine |= {"threads": suite.threads} if suite.threads != 1 else {}
    # What a lower level let a submission do is not known, so its records are not taken for those of a higher one.
    level = {} if setup.isolation == "process" else {"isolation": setup.isolation}
    originals: dict[tuple[CaseSpec, OriginalSpec, int], PlannedOriginal] = {}

    def original(case: CaseSpec, kind: OriginalSpec, seed: int) -> PlannedOriginal:
        if (case, kind, seed) not in originals:
            model = {**given(suite.model), "capacity": kind.capacity}
            key = content_key(case=given(case), seed=seed, model=model, recipe=given(suite.recipe_of(kind)), **machine)
            originals[case, kind, seed] = PlannedOriginal(case, kind, seed, key)
        return originals[case, kind, seed]

    trials = []
    for problem, seeds in problems(part or suite, dataset):
        problem_key = content_key(**given(problem), protocol=PROTOCOL_VERSION)
        for submission, submission_key in zip(submissions, submission_keys, strict=True):
            if submission.needs_forget_set != (problem.discovery_rate > 0):
                continue
            for kind in kinds_of(submission, suite.originals):
                start = original(problem.case, kind, seeds.training)
                key = content_key(
                    problem=problem_key,
                    original=start.key,
                    submission=submission_key,
                    seed=seeds.unlearning,
                    budget=given(suite.budget),
                    limits=given(suite.limits),
                    **level,
                )
                trials.append(
                    PlannedTrial(problem, start, submission, seeds.unlearning, key, problem_key, submission_key)
                )
    return trials
