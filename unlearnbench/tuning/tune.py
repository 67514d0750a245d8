"""Tuning: search the hyperparameters of a method on separate problems (docs/protocol.md, section 5).

A try is a variant of the submission. It runs on the grid of the suite with the seeds and discovery rates of its
`tuning`, stage by stage until it is pruned. The first try is the variant to tune, usually the default one. It is never
pruned.

Trials are stored like any others and not run again. The search depends only on scores, so an interrupted search, when
restarted, repeats the same tries and finds them in the store.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.running.executors.local import shared_boundary
from unlearnbench.running.run import Progress, run_suite
from unlearnbench.store.results import planned_trials
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission
from unlearnbench.tuning.pruning import hopeless, reason, stages
from unlearnbench.tuning.space import Point, digest, distribution, grid, setting, spread
from unlearnbench.tuning.tries import DEFAULT, TRY, Cell, Rule, Try, best_first, summarised, variant_of_try, whole_grid

Sampler = Literal["tpe", "grid"]

AT_ONCE = 4
"""Number of tries that run together, to keep all workers busy."""
SPREAD = 5
"""Number of initial points, from a Sobol sequence, before Optuna's sampler takes over."""


Setting = dict[str, Any]
Records = Mapping[Cell, TrialRow]


@dataclass(frozen=True)
class _Judged:
    """A try, and its score on each problem that it ran on."""

    summary: Try
    scores: Mapping[Cell, float]


Run = Callable[[Suite, Mapping[str, Setting]], dict[str, Records]]
"""Runs settings, given by digest, on a part of the grid. Returns their records by digest."""


def tune(
    suite: Suite,
    submission: Submission,
    store: Store,
    data: Path,
    *,
    rule: Rule = "blind",
    sampler: Sampler = "tpe",
    workers: int | None = None,
    isolation: Isolation = "process",
    environments: Path | None = None,
    download: bool = True,
    retry_failed: bool = False,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> list[Try]:
    """Tune a submission with the tuning budget of the suite. Returns all tries, best first.

    If no trial of any try finished, none of them is eligible. The result does not depend on `workers`. `environments`
    and `retry_failed` are as in `run_suite`.

    Raises:
        UsageError: the submission has no search space.
    """
    check_tunable(submission)
    problems, first = whole_grid(suite, rule), digest(submission.hyperparameters)
    with shared_boundary() as executor:

        def run(part: Suite, settings: Mapping[str, Setting]) -> dict[str, Records]:
            names = {variant_of_try(submission.variant, DEFAULT if key == first else TRY, key): key for key in settings}
            # Methods that use no forget set get one here too, because the selection score needs it.
            asked = [
                replace(
                    submission, variant=name, hyperparameters=settings[key], role="reference", needs_forget_set=True
                )
                for name, key in names.items()
            ]
            summary = run_suite(
                part,
                asked,
                store,
                data,
                workers=workers,
                isolation=isolation,
                environments=environments,
                download=download,
                retry_failed=retry_failed,
                executor=executor,
                watch=watch,
            )
            return {names[name]: records for name, records in _recorded(store, summary.run_id).items()}

        return _searched(submission, problems, suite.tuning.tries, run, rule, sampler)


def check_tunable(submission: Submission) -> None:
    """Refuse a submission without a search space."""
    if not submission.search:
        raise UsageError(f"'{submission.label}' cannot be tuned: its submission.toml has no [search] table")


def _searched(
    submission: Submission, problems: Suite, budget: int, run: Run, rule: Rule, sampler: Sampler
) -> list[Try]:
    default = submission.hyperparameters
    first = digest(default)
    tries = {first: _judged(default, run(problems, {first: default})[first], rule, default=True)}
    space = {name: distribution(values) for name, values in submission.search.items()}
    points = spread(space, SPREAD) if sampler == "tpe" else grid(space)
    study = _study(points)
    for _ in range(4 * budget):  # bounded, because a small space may have fewer settings than the budget
        size = min(len(points), SPREAD) or (AT_ONCE if sampler == "tpe" else 0)
        asked = [study.ask(space) for _ in range(min(size, budget - len(tries)))]
        del points[: len(asked)]
        settings = [setting(default, trial.params) for trial in asked]
        new = {digest(values): values for values in settings if digest(values) not in tries}
        tries |= _raced(new, _best(tries.values(), rule), stages(problems), run, rule)
        for trial, values in zip(asked, settings, strict=True):
            _tell(study, trial, tries[digest(values)].summary, rule)
    return best_first([item.summary for item in tries.values()], rule)


def _study(points: Iterable[Point]) -> optuna.Study:
    """An Optuna study that suggests these points first, and then samples with TPE."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=SPREAD, multivariate=True, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for point in points:
        study.enqueue_trial(point)
    return study


def _tell(study: optuna.Study, trial: optuna.Trial, judged: Try, rule: Rule) -> None:
    """Report a try to Optuna. TPE ranks pruned tries below all others, and among them prefers those pruned later."""
    if judged.pruned is None:
        study.tell(trial, judged.score(rule))
    else:
        trial.report(judged.score(rule), judged.trials)
        study.tell(trial, state=TrialState.PRUNED)


def _best(tries: Iterable[_Judged], rule: Rule) -> _Judged:
    """The best try that was not pruned."""
    return max((item for item in tries if item.summary.pruned is None), key=lambda item: item.summary.score(rule))


def _raced(
    settings: Mapping[str, Setting], best: _Judged, parts: list[Suite], run: Run, rule: Rule
) -> dict[str, _Judged]:
    """Run settings stage by stage, pruning after each stage except the last.

    Settings are compared with the best earlier try and not with each other, so their order does not matter.
    """
    records: dict[str, dict[Cell, TrialRow]] = {key: {} for key in settings}
    reasons: dict[str, str] = {}
    for place, part in enumerate(parts, 1):
        running = {key: values for key, values in settings.items() if key not in reasons}
        if not running:
            break
        for key, found in run(part, running).items():
            records[key] |= found
        for key in settings.keys() - reasons.keys() if place < len(parts) else ():
            scores = _scores(records[key], rule)
            if hopeless(best.scores, scores):
                reasons[key] = reason(best.scores, scores)
    return {key: _judged(values, records[key], rule, pruned=reasons.get(key)) for key, values in settings.items()}


def _scores(records: Records, rule: Rule) -> dict[Cell, float]:
    column = "selection_score" if rule == "blind" else "aggregate"
    return {cell: getattr(record, column) or 0.0 for cell, record in records.items()}


def _judged(
    hyperparameters: Setting, records: Records, rule: Rule, *, pruned: str | None = None, default: bool = False
) -> _Judged:
    summary = summarised(hyperparameters, list(records.values()), pruned=pruned, default=default)
    return _Judged(summary, _scores(records, rule))


def _recorded(store: Store, run_id: str) -> dict[str, Records]:
    """Records of all planned trials of a run, by variant and problem."""
    found: dict[str, dict[Cell, TrialRow]] = {}
    for trial in planned_trials(store.engine, [run_id]):
        if trial.record is not None:
            found.setdefault(trial.submission.variant, {})[trial.cell] = trial.record
    return dict(found)


def as_variant(suite: str, start: str, rule: Rule, best: Try) -> str:
    """The best try as a variant to paste into submission.toml. `start` is the variant that the tuning started from."""
    name = "oracle" if rule == "oracle" else suite.replace("-", "_")
    lines = ["# chosen with true labels: shown as a reference, never ranked"] if rule == "oracle" else []
    lines += [f"[variants.{name}]"] if start == "default" else [f"[variants.{start}_{name}]", f'extends = ["{start}"]']
    return "\n".join(
        [*lines, *(f"{key} = {json.dumps(value)}" for key, value in best.hyperparameters.items() if value is not None)]
    )
