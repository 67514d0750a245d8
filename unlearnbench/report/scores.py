"""What was measured of each method on each problem, as matrices: what rankings and comparisons are made from.

They come from a frame of trials, or straight from a store. The store is read by one narrow query a method, whose two
tables are joined inside covering indexes. There is nothing left to sum up in SQL: a bootstrap over problems needs
the value of every method on every problem.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import count
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Engine, Select, and_, bindparam, select

from unlearnbench.engine.isolation import LEVELS, Isolation, at_least
from unlearnbench.errors import HarnessError
from unlearnbench.evaluation.statistics import Values
from unlearnbench.problem.corruption import REGULARITIES
from unlearnbench.problem.suite import OriginalSpec
from unlearnbench.report.frames import METHOD_LABEL, base_original, counted, difference, latest_run
from unlearnbench.store.schema import PlannedTrialRow, ProblemRow, SubmissionRow, TrialRow

METHOD = ["method", "title", "role", "stands_on"]
PROBLEM = [
    *("regularity", "corruption", "discovery_rate", "corruption_seed", "problem"),
    *("training_seed", "unlearning_seed"),
]
"""What two trials that are compared have in common: the problem and all seeds."""

_SUBMISSIONS = select(SubmissionRow.key, METHOD_LABEL, SubmissionRow.title, SubmissionRow.role)
_PROBLEMS = select(
    *(ProblemRow.regularity, ProblemRow.corruption, ProblemRow.discovery_rate, ProblemRow.corruption_seed),
    ProblemRow.key,
)
_MEASURED = ("healed_train", "utility", "seconds")
_METRICS = ("healed", "utility", "aggregate", "seconds")
Part = tuple[int | NDArray[np.int64], NDArray[np.int64], Values]
"""Of some trials: which method or methods, which problems, and (3, trials) of what was measured."""
_CHUNK = 20_000
"""Rows held at a time as Python objects."""
_PLANNED = ("run_id", "submission_key", "capacity", "training")


@dataclass(frozen=True)
class Scores:
    """Matrices of (methods, problems): accuracies as shares, times in seconds, nan where nothing was measured.

    methods: a row each, by name, with the columns `METHOD`.
    problems: a row each, with the columns `PROBLEM`: trials that differ in a seed are in different columns of the
        matrices, those on originals of different kinds are not.
    healed, utility, seconds: of finished trials.
    aggregate: healed x utility of finished trials, and 0 of failed ones.
    missing: (methods, regularities), how many trials have no record; in no column, for they have no seed yet.
    """

    methods: pd.DataFrame
    problems: pd.DataFrame
    healed: Values
    utility: Values
    aggregate: Values
    seconds: Values
    missing: NDArray[np.int64]

    @property
    def failed(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.aggregate) & np.isnan(self.healed)

    def of(self, regularity: str, discovery_rate: float | None = None) -> Scores:
        """The part on problems of one regularity, or of one cell of the map (`missing` is that of the regularity)."""
        chosen = self.problems["regularity"].to_numpy() == regularity
        if discovery_rate is not None:
            chosen = chosen & (self.problems["discovery_rate"].to_numpy() == discovery_rate)
        return replace(
            self,
            problems=self.problems[chosen].reset_index(drop=True),
            missing=self.missing * (np.array(REGULARITIES) == regularity),
            **{metric: getattr(self, metric)[:, chosen] for metric in _METRICS},
        )


def scores_of(frame: pd.DataFrame) -> Scores:
    """The scores in a frame of trials."""
    methods = frame[METHOD].drop_duplicates(ignore_index=True)
    codes = pd.Series(methods.index, index=methods["method"])
    rows: NDArray[np.int64] = codes[frame["method"]].to_numpy(dtype=np.int64)
    recorded = (frame["state"] != "missing").to_numpy()
    missing = np.zeros((len(methods), len(REGULARITIES)), dtype=np.int64)
    np.add.at(missing, (rows[~recorded], frame.loc[~recorded, "regularity"].map(REGULARITIES.index)), 1)
    groups = frame[recorded].groupby(PROBLEM, dropna=False)
    values: Values = frame.loc[recorded, list(_MEASURED)].to_numpy(dtype=np.float64).T
    columns = np.asarray(groups.ngroup(), dtype=np.int64)
    part = (rows[recorded], columns, values)
    return _scores(methods, groups.size().index.to_frame(index=False), [part], missing)


def trials_query(isolation: Isolation) -> Select[Any]:
    """Problem, seeds and scores of the planned trials of one method, by the parameters `_PLANNED`."""
    # A key has one submission: naming it as well lets an index find all trials of a method side by side.
    submission = TrialRow.submission_key == bindparam("submission_key", type_=TrialRow.submission_key.type)
    record = and_(TrialRow.key == PlannedTrialRow.trial_key, submission)
    if at_least(isolation) != LEVELS:  # a million rows are not asked what is true of all of them
        record = and_(record, TrialRow.isolation.in_(at_least(isolation)))
    columns = (PlannedTrialRow.problem_key, TrialRow.training_seed, TrialRow.unlearning_seed)
    return (
        select(*columns, *(getattr(TrialRow, name) for name in _MEASURED))
        .select_from(PlannedTrialRow)
        .outerjoin(TrialRow, record)
        .where(*(getattr(PlannedTrialRow, name) == bindparam(name) for name in _PLANNED))
    )


def read_scores(engine: Engine, suite: str, *, isolation: Isolation = "process") -> Scores:
    """The scores of a suite in a store: those that `frames.trials` counts.

    Raises:
        UsageError: the store has no run of this suite.
    """
    base = base_original(latest_run(engine, suite).suite_specification)
    methods: defaultdict[tuple[str, ...], int] = defaultdict(count().__next__)
    problems: defaultdict[tuple[str, int, int], int] = defaultdict(count().__next__)
    absent: list[tuple[int, str]] = []
    parts: list[Part] = []
    query = trials_query(isolation)
    with engine.connect() as connection:
        named = {row.key: row for row in connection.execute(_SUBMISSIONS)}
        described = {row.key: row for row in connection.execute(_PROBLEMS)}
        for key in connection.execute(counted(suite, at_least(isolation))).all():
            kind, submission = OriginalSpec(key.capacity, key.training), named[key.submission_key]
            name = f"{submission.method}{difference(kind, base)}"
            method = methods[name, submission.title, submission.role, kind.label]
            # Straight from the driver, and by maps: a million trials pass here.
            cursor = connection.execute(query, key._asdict()).cursor
            assert cursor is not None  # it is a SELECT
            while chunk := cursor.fetchmany(_CHUNK):
                recorded = [trial for trial in chunk if trial[1] is not None]
                if len(recorded) < len(chunk):
                    absent += [(method, trial[0]) for trial in chunk if trial[1] is None]
                columns = np.fromiter(map(problems.__getitem__, map(itemgetter(0, 1, 2), recorded)), dtype=np.int64)
                measured = [list(map(itemgetter(place), recorded)) for place in (3, 4, 5)]
                parts.append((method, columns, np.array(measured, dtype=np.float64)))  # None becomes nan
    missing = np.zeros((len(methods), len(REGULARITIES)), dtype=np.int64)
    for method, problem in absent:
        missing[method, REGULARITIES.index(described[problem].regularity)] += 1
    table = pd.DataFrame([(*described[problem], *seeds) for problem, *seeds in problems], columns=PROBLEM)
    return _scores(pd.DataFrame(list(methods), columns=METHOD), table, parts, missing)


def _scores(methods: pd.DataFrame, problems: pd.DataFrame, parts: list[Part], missing: NDArray[np.int64]) -> Scores:
    """Lay out what was measured by method and problem, both sorted: no order of a store matters.

    A failed trial has no accuracy, and its time says nothing.

    Raises:
        HarnessError: two records in the same place; one of them would be lost.
    """
    method_order = methods["method"].argsort(kind="stable").to_numpy()
    problem_order = problems.sort_values(PROBLEM).index.to_numpy()
    rows, columns = np.argsort(method_order), np.argsort(problem_order)
    healed, utility, seconds = matrices = np.full((len(_MEASURED), len(methods), len(problems)), np.nan)
    failed = np.zeros((len(methods), len(problems)), dtype=np.bool_)
    for method, problem, values in parts:
        matrices[:, rows[method], columns[problem]] = values
        failed[rows[method], columns[problem]] = np.isnan(values[0])
    if (failed | ~np.isnan(healed)).sum() != sum(len(problem) for _, problem, _ in parts):
        raise HarnessError("the store holds two records of one method on the same problem with the same seeds")
    return Scores(
        methods.iloc[method_order].reset_index(drop=True),
        problems.iloc[problem_order].reset_index(drop=True),
        healed,
        utility,
        np.where(failed, 0.0, healed * utility),
        np.where(failed, np.nan, seconds),
        missing[method_order],
    )
