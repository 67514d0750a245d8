"""Tuning: search a method's hyperparameters on problems of its own, by a rule that uses no clean data.

The rules are those of docs/protocol.md, section 5. A try is a variant of the submission, run like any other on the
suite's grid with the seeds and discovery rates of its `tuning`; every trial of every try is stored, and what is stored
is not run again. The first try is the default variant.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from scipy.stats.qmc import Sobol
from sqlalchemy import select
from sqlalchemy.orm import Session

from unlearnbench.engine.run import Progress, run_suite
from unlearnbench.engine.submissions import Range, Submission
from unlearnbench.errors import UsageError
from unlearnbench.problem.suite import Suite
from unlearnbench.store.schema import PlannedTrialRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store

Rule = Literal["blind", "oracle"]
"""What a try is judged by: `selection_score`, or the aggregate, which takes true labels and is never ranked."""

Sampler = Literal["tpe", "grid"]

AT_ONCE = 4
"""Tries asked for together: they share a run, and so keep all workers busy."""
SPREAD = 7
"""First tries of a search: points of a Sobol sequence, so 1/8, 2/8 ... 7/8 of the way through each range."""
GRID_POINTS = 4


@dataclass(frozen=True)
class Try:
    """One setting; `score` is the mean over its trials, a failed trial counts 0."""

    hyperparameters: dict[str, Any]
    score: float
    trials: int
    failed: int
    seconds: float | None
    """Mean time in `unlearn` of the trials that finished; None if none did."""


def tune(
    suite: Suite,
    submission: Submission,
    store: Store,
    data: Path,
    *,
    rule: Rule = "blind",
    sampler: Sampler = "tpe",
    workers: int | None = None,
    download: bool = True,
    watch: Callable[[Progress], None] | None = None,
) -> list[Try]:
    """All tries of the suite's tuning budget, best first; of equals the earlier one.

    Raises:
        UsageError: the submission has no search space.
    """
    if not submission.search:
        raise UsageError(f"'{submission.name}' has nothing to tune: its submission.toml has no [search]")
    grid = replace(
        suite,
        name=f"{suite.name}-tune" + ("-oracle" if rule == "oracle" else ""),
        seeds=suite.tuning.seeds,
        discovery_rates=suite.tuning.discovery_rates,
    )
    tries: dict[str, Try] = {}

    def run(settings: dict[str, dict[str, Any]]) -> None:
        variants = [
            replace(submission, variant=name, hyperparameters=values, role="reference")
            for name, values in settings.items()
            if name not in tries
        ]
        if variants:
            summary = run_suite(grid, variants, store, data, workers=workers, download=download, watch=watch)
            tries.update(_judged(store, summary.run_id, settings, rule))

    run({_name(submission.hyperparameters): submission.hyperparameters})
    distributions = {name: distribution(values) for name, values in submission.search.items()}
    if sampler == "grid":
        points = list(itertools.product(*(_points(space) for space in distributions.values())))
        random.Random(0).shuffle(points)  # a budget smaller than the grid is spread over it
        settings = (_setting(submission, dict(zip(distributions, point, strict=True))) for point in points)
        run(dict(itertools.islice((item for item in settings if item[0] not in tries), suite.tuning.tries - 1)))
    else:
        _parzen(submission, distributions, suite.tuning.tries, run, tries)
    return sorted(tries.values(), key=lambda item: -item.score)


def _parzen(
    submission: Submission,
    distributions: dict[str, BaseDistribution],
    budget: int,
    run: Callable[[dict[str, dict[str, Any]]], None],
    tries: dict[str, Try],
) -> None:
    """Spread the first tries over the space, then ask Optuna's tree-structured Parzen estimator.

    Until the budget is spent, or a small space has no more. Random first tries would be a lottery: with eight of them
    one method meets a range of rates that another one never tries. These are the same for all methods.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=SPREAD, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    points = Sobol(len(distributions), scramble=False).random(SPREAD + 1)[1:]  # the first one is a corner
    for point in points.tolist():
        study.enqueue_trial(
            {name: _at(space, share) for (name, space), share in zip(distributions.items(), point, strict=True)}
        )
    for _ in range(4 * budget):
        if len(tries) >= budget:
            break
        trials = [study.ask(distributions) for _ in range(min(AT_ONCE, budget - len(tries)))]
        asked = [_setting(submission, trial.params) for trial in trials]
        run(dict(asked))
        for trial, (name, _) in zip(trials, asked, strict=True):
            study.tell(trial, tries[name].score)


def distribution(values: Range) -> BaseDistribution:
    """The range as Optuna's: whole numbers if both ends are."""
    if values.choices is not None:
        return CategoricalDistribution(values.choices)
    assert values.low is not None, "the manifest was checked"
    assert values.high is not None, "the manifest was checked"
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log)
    return FloatDistribution(float(values.low), float(values.high), log=values.log)


def _points(space: BaseDistribution) -> list[Any]:
    """What a grid tries of a range: all choices, or a few numbers from end to end."""
    if isinstance(space, CategoricalDistribution):
        return list(space.choices)
    return sorted({_at(space, point / (GRID_POINTS - 1)) for point in range(GRID_POINTS)})


def _at(space: BaseDistribution, share: float) -> Any:
    """The value at this share, in [0, 1], of the way through a range."""
    if isinstance(space, CategoricalDistribution):
        return space.choices[min(int(share * len(space.choices)), len(space.choices) - 1)]
    assert isinstance(space, IntDistribution | FloatDistribution)
    low, high = space.low, space.high
    number = low * (high / low) ** share if space.log else low + (high - low) * share
    return round(number) if isinstance(space, IntDistribution) else number


def _setting(submission: Submission, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A try's name and hyperparameters, in three digits before it is run: what is printed is exactly what was tried."""
    rounded = {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in values.items()}
    merged = submission.hyperparameters | rounded
    return _name(merged), merged


def _name(hyperparameters: dict[str, Any]) -> str:
    return "try_" + hashlib.sha256(json.dumps(hyperparameters, sort_keys=True).encode()).hexdigest()[:8]


def _judged(store: Store, run_id: str, settings: dict[str, dict[str, Any]], rule: Rule) -> dict[str, Try]:
    query = (
        select(SubmissionRow.variant, TrialRow)
        .join_from(PlannedTrialRow, TrialRow, TrialRow.key == PlannedTrialRow.trial_key)
        .join(SubmissionRow, SubmissionRow.key == PlannedTrialRow.submission_key)
        .where(PlannedTrialRow.run_id == run_id)
    )
    with Session(store.engine) as session:
        records = session.execute(query).all()
    judged = {}
    for name, hyperparameters in settings.items():
        trials = [trial for variant, trial in records if variant == name]
        if not trials:
            continue  # judged before
        scores = [trial.selection_score if rule == "blind" else trial.aggregate for trial in trials]
        times = [trial.seconds for trial in trials if trial.state == "finished" and trial.seconds is not None]
        judged[name] = Try(
            hyperparameters,
            sum(score or 0.0 for score in scores) / len(trials),
            len(trials),
            sum(trial.state == "failed" for trial in trials),
            sum(times) / len(times) if times else None,
        )
    return judged


def as_variant(suite: str, rule: Rule, best: Try) -> str:
    """The winner as a table of submission.toml, to paste."""
    name = "oracle" if rule == "oracle" else suite.replace("-", "_")
    lines = [f"{key} = {json.dumps(value)}" for key, value in best.hyperparameters.items() if value is not None]
    comment = ["# chosen with true labels: shown as a reference, never ranked"] if rule == "oracle" else []
    return "\n".join([*comment, f"[variants.{name}]", *lines])
