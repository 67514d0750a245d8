"""Results of tunings from a store: one row per method, with the cost of choosing without true labels."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from unlearnbench.errors import UsageError
from unlearnbench.store.labels import method_label
from unlearnbench.store.results import Planned, planned_trials, runs_of_suite, suites
from unlearnbench.tuning.tries import Cell, Try, choices, name_of, start_of_try, summarised

Scores = dict[Cell, float]
"""Selection scores of a try, on each problem that it ran on."""

_OF_A_STAGE = ("seeds", "discovery_rates")
"""The keys of a suite's specification in which the runs of one tuning differ."""


@dataclass(frozen=True)
class Tuned:
    """The last tuning of a method: its complete and its pruned tries, the number of tries that an interruption left
    unfinished, and how many tries the suite gives a method. There are fewer if the search was interrupted, or if its
    space has no more settings."""

    method: str
    tries: Sequence[Try]
    unfinished: int
    budget: int


def read_tunings(engine: Engine, suite: str) -> list[Tuned]:
    """The tunings of a suite by the blind rule, by method.

    A tuning consists of many runs, one per stage of some tries. A method's tries are those with the source and settings
    of the last such run.

    Raises:
        UsageError: nothing was tuned on this suite.
    """
    name = name_of(suite)
    runs = runs_of_suite(engine, name)[::-1] if name in suites(engine) else []
    specifications = {
        run.id: {part: value for part, value in run.suite_specification.items() if part not in _OF_A_STAGE}
        for run in runs
    }
    methods: defaultdict[str, list[Planned]] = defaultdict(list)
    for trial in planned_trials(engine, list(specifications)):
        start, _ = start_of_try(trial.submission.variant)
        methods[method_label(trial.submission.name, start)].append(trial)
    if not methods:
        raise UsageError(
            f"{engine.url} has no tuning on suite '{suite}': run `unlearnbench tune METHOD --suite {suite}`"
        )
    return [_tuned(method, rows, specifications) for method, rows in sorted(methods.items())]


def _tuned(method: str, rows: Sequence[Planned], specifications: dict[str, dict[str, Any]]) -> Tuned:
    last = rows[-1]
    settings = specifications[last.trial.run_id]
    tries: defaultdict[str, list[Planned]] = defaultdict(list)
    for row in rows:
        same_source = row.submission.source_hash == last.submission.source_hash
        if same_source and specifications[row.trial.run_id] == settings:
            tries[row.submission.key].append(row)
    variants = [trials[0].submission.variant for trials in tries.values()]
    default = next((variant for variant in reversed(variants) if start_of_try(variant)[1]), None)
    summaries, unfinished = [], 0
    complete: list[tuple[str, Scores]] = []
    """The tries that ran on all problems, each with its first run, in the order of the search."""
    for trials in tries.values():
        # Of a cell planned twice the later run counts: the processor may have changed.
        records = {trial.cell: trial.record for trial in trials}
        found = {cell: record for cell, record in records.items() if record is not None}
        scores = {cell: record.selection_score or 0.0 for cell, record in found.items()}
        first, kinds = trials[0].trial.run_id, {cell[3:] for cell in records}
        pruned = None
        if {(*place, *kind) for place in _places(settings) for kind in kinds} <= found.keys():
            complete.append((first, scores))
        elif len(found) == len(records) and _pruned(scores, [others for run, others in complete if run != first]):
            pruned = "not all problems"
        else:
            unfinished += 1
            continue
        submission = trials[0].submission
        is_default = submission.variant == default
        summaries.append(
            summarised(submission.hyperparameters, list(found.values()), pruned=pruned, default=is_default)
        )
    return Tuned(method, summaries, unfinished, settings["tuning"]["tries"])


def _pruned(scores: Scores, earlier: Sequence[Scores]) -> bool:
    """Whether a try that ran on a part of the problems was pruned, and not interrupted between two stages."""
    from unlearnbench.tuning.pruning import hopeless  # imports Optuna and torch, which other tables do without

    return bool(earlier) and hopeless(max(earlier, key=lambda others: fmean(others.values())), scores)


def _places(specification: dict[str, Any]) -> itertools.product[tuple[Any, ...]]:
    """The whole grid of a tuning; a pruned try covers only part of it."""
    tuning = specification["tuning"]
    return itertools.product(specification["corruptions"], tuning["discovery_rates"], tuning["seeds"])


def tunings_frame(tunings: Sequence[Tuned]) -> pd.DataFrame:
    """One row per method: counts of tries, mean aggregates in percent, cost in points."""
    rows = []
    for item in tunings:
        found = choices(item.tries)
        rows.append(
            {
                "method": item.method,
                "tries": len(item.tries),
                "pruned": sum(one.pruned is not None for one in item.tries),
                "unfinished": item.unfinished,
                "default": _percent(found.default),
                "blind": _percent(found.blind),
                "oracle": _percent(found.oracle),
                "cost": float("nan") if found.cost is None else found.cost,
                "budget": item.budget,
            }
        )
    return pd.DataFrame(rows)


def _percent(share: float | None) -> float:
    return float("nan") if share is None else 100 * share
