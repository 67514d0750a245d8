"""Validate a submission: run every variant on tiny problems, on the path of a real run.

The problems are one of each corruption, one with colour images, and one with a transformer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.contract.recipe import Budget, Recipe
from unlearnbench.errors import HarnessError
from unlearnbench.problems.suite import CorruptionSettings, Limits, Model, Suite
from unlearnbench.running.executors.local import shared_boundary
from unlearnbench.running.run import Progress, run_suite
from unlearnbench.store.results import planned_trials
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import read_one

TINY = Suite(
    name="validate",
    title="300 digits, one discovery rate",
    dataset="digits",
    discovery_rates=(0.5,),
    seeds=(0,),
    recipe=Recipe(steps=60, batch_size=64, peak_learning_rate=0.05, warmup=0.1, crop_padding=1, flip=False),
    budget=Budget(steps=10, batch_size=64, learning_rate=0.01),
    corruption=CorruptionSettings(size=30),
    model=Model(width=0.125),
    limits=Limits(seconds=60, memory_gib=4),
    train_size=300,
    test_size=100,
)
COLOUR = replace(TINY, name="validate-colour", dataset="digits-colour", corruptions=("poison-trigger",))
TRANSFORMER = replace(TINY, name="validate-vit", model=Model("vit", width=0.125), corruptions=("random-swap",))


@dataclass(frozen=True)
class Validation:
    """The result for one variant.

    Attributes:
        seconds: of importing the submission and in `unlearn`, over all trials.
        budget: the largest multiple of the budget that a trial trained on, by its own count; None if not counted.
        reason: of the first failure. None if all finished.
    """

    label: str
    seconds: float
    budget: float | None
    reason: str | None

    @property
    def ok(self) -> bool:
        return self.reason is None


def validate(
    place: str | Path,
    *,
    workers: int | None = None,
    isolation: Isolation = "process",
    originals: Path | None = None,
    environments: Path | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> list[Validation]:
    """Read a submission and run each of its variants in a temporary store.

    Args:
        place: its folder, or the name of an installed method.
        originals: folder where the originals of the tiny problems are kept for the next time. Default: none.
        environments, watch: as in `run_suite`.

    Raises:
        UsageError: submission.toml is invalid or does not fit its folder, or a package that it requires is missing.
        HarnessError: the harness failed; this says nothing about the submission.
    """
    submissions = read_one(place)
    with tempfile.TemporaryDirectory() as data, Store(f"{data}/store.db") as store, shared_boundary() as executor:
        trials = []
        for suite in (TINY, COLOUR, TRANSFORMER):
            run = run_suite(
                suite,
                submissions,
                store,
                Path(data),
                workers=workers,
                isolation=isolation,
                originals=originals,
                environments=environments,
                executor=executor,
                watch=lambda progress: watch(replace(progress, message=None)),  # reasons come at the end
            )
            trials += [(suite, trial) for trial in planned_trials(store.engine, [run.run_id])]
    checks = []
    for submission in submissions:
        seconds, samples, reason = 0.0, list[int](), None
        for suite, trial in trials:
            if trial.submission.variant != submission.variant:
                continue
            record = trial.record
            where = f"{trial.problem.corruption}, {suite.dataset}, {suite.model.architecture}"
            if record is None:
                raise HarnessError(f"{submission.label} was not run on {where}")
            seconds += record.seconds or 0.0
            samples += [] if record.backward_samples is None else [record.backward_samples]
            if record.state == "failed" and reason is None:
                reason = f"{record.reason} (on {where})" + (f"\n{record.detail}" if record.detail else "")
        budget = max(samples) / (TINY.budget.steps * TINY.budget.batch_size) if samples else None
        checks.append(Validation(submission.label, seconds, budget, reason))
    return checks
