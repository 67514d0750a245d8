"""The plan of a run: all trials of the grid, with the keys of their records.

A key is a hash of what the result follows from (`problems.identity`). A trial whose key is in the store is not run
again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.grid import CaseSpec, ProblemSpec, problems
from unlearnbench.problems.identity import content_key, original_key, problem_key, trial_key
from unlearnbench.problems.secret_seeds import SecretSeeds
from unlearnbench.problems.suite import Originals, OriginalSpec, Suite
from unlearnbench.running.setup import Setup
from unlearnbench.submissions.finding import Submission
from unlearnbench.submissions.requirements import installed_versions


@dataclass(frozen=True)
class PlannedOriginal:
    """An original model, determined by case, kind and training seed."""

    case: CaseSpec
    kind: OriginalSpec
    seed: int
    key: str

    @property
    def label(self) -> str:
        return f"the original for {self.case.corruption}, corruption seed {self.case.seed}, {self.kind.label}"


@dataclass(frozen=True)
class PlannedTrial:
    """A trial: one method on one problem, starting from one original."""

    problem: ProblemSpec
    original: PlannedOriginal
    submission: Submission
    unlearning_seed: int
    key: str
    problem_key: str
    submission_key: str
    packages: Mapping[str, str]
    """Versions of the packages that the submission requires, where its trials run."""


def needs_of(submission: Submission) -> dict[str, bool]:
    """The needs of a submission that differ from the defaults."""
    needs = {"corrupted_indices": submission.needs_corrupted_indices, "forget_set": submission.needs_forget_set}
    return {name: value for name, value in needs.items() if value != (name == "forget_set")}


def kinds_of(submission: Submission, originals: Originals) -> list[OriginalSpec]:
    """The kinds of originals that a submission starts from: those of the suite, unless it needs tied dropout."""
    trainings = ("tied-dropout",) if submission.needs_tied_dropout else originals.trainings
    return [OriginalSpec(*pair) for pair in itertools.product(originals.capacities, trainings)]


@cache
def plan_original(setup: Setup, case: CaseSpec, kind: OriginalSpec, seed: int) -> PlannedOriginal:
    """Plan the original of this kind, case and training seed, including its key."""
    key = original_key(setup.suite, case.public(), kind, seed, setup.precision, setup.device)
    return PlannedOriginal(case, kind, seed, key)


def plan(
    setup: Setup,
    dataset: Dataset,
    submissions: Sequence[Submission],
    grid: Suite | None = None,
    secrets: SecretSeeds | None = None,
) -> list[PlannedTrial]:
    """Plan all trials of a suite, or of a part of it, ordered by problem, submission and original.

    Submissions that use no forget set get only the problems of discovery rate 0. Others get all other problems.

    Raises:
        UsageError: a package that a submission requires is not installed here.
    """
    suite = setup.suite
    packages = [installed_versions(item.name, item.requires, item.environment) for item in submissions]
    submission_keys = [
        content_key(
            name=item.name,
            variant=item.variant,
            hyperparameters=item.hyperparameters,
            needs=needs_of(item),
            entry=item.entry,
            source=item.source_hash,
            **({"packages": versions} if versions else {}),
        )
        for item, versions in zip(submissions, packages, strict=True)
    ]
    trials = []
    for problem, seeds in problems(grid or suite, dataset, secrets):
        of_problem = problem_key(problem.public())
        for submission, submission_key, versions in zip(submissions, submission_keys, packages, strict=True):
            if submission.needs_forget_set != (problem.discovery_rate > 0):
                continue
            for kind in kinds_of(submission, suite.originals):
                start = plan_original(setup, problem.case, kind, seeds.training)
                key = trial_key(suite, of_problem, start.key, submission_key, seeds.unlearning, setup.isolation)
                trials.append(
                    PlannedTrial(
                        problem, start, submission, seeds.unlearning, key, of_problem, submission_key, versions
                    )
                )
    return trials


def stages(trials: Iterable[PlannedTrial]) -> list[list[list[PlannedTrial]]]:
    """The trials by case, and those of a case by what they know of its corrupted set D_m, least first.

    Discovered sets are nested, so a trial that could leave a note for a later one would give away part of its answer.
    In this order there is nothing to tell: one stage for each discovery rate, ascending, with all methods and kinds of
    original, and a last one for the methods that get D_m. Cases may run beside each other: their corrupted sets are
    drawn from separate streams, by corruption and seed, so a note from one tells nothing about another.
    """
    cases: dict[CaseSpec, dict[float, list[PlannedTrial]]] = {}
    for trial in trials:
        known = math.inf if trial.submission.needs_corrupted_indices else trial.problem.discovery_rate
        cases.setdefault(trial.problem.case, {}).setdefault(known, []).append(trial)
    return [[of_case[known] for known in sorted(of_case)] for of_case in cases.values()]
