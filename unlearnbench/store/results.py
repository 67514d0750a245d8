"""Read queries about runs, methods and single records; those about boards are in `store.trials`.

Returned rows are detached from the session: changes to them are not stored.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from sqlalchemy import Engine, distinct, func, select
from sqlalchemy.orm import Session, aliased

from unlearnbench.errors import UsageError, unknown
from unlearnbench.problems.suite import OriginalSpec, Training
from unlearnbench.store.labels import method_label
from unlearnbench.store.origins import HERE, arrivals, later_plans
from unlearnbench.store.schema import (
    OriginalRow,
    PlannedTrialRow,
    PredictionRow,
    ProblemRow,
    RunRow,
    SubmissionRow,
    TrialRow,
)


def suites(engine: Engine) -> list[str]:
    """The names of all suites with runs."""
    with Session(engine) as session:
        return list(session.scalars(select(RunRow.suite).distinct().order_by(RunRow.suite)))


def runs_of_suite(engine: Engine, suite: str) -> list[RunRow]:
    """The runs of a suite: those made here, then those of each origin in the order in which the origins were first
    added. Among these, newest first.

    So no date in a file of somebody else can put its runs before those that were there.

    Raises:
        UsageError: there are none.
    """
    query = select(RunRow).where(RunRow.suite == suite).order_by(RunRow.started_at.desc(), RunRow.id.desc())
    with Session(engine) as session:
        found = list(session.scalars(query))
        place = arrivals(session.connection(), [run.id for run in found])
    if not found:
        known = suites(engine)
        if not known:
            raise UsageError(f"{engine.url} has no runs: begin with `unlearnbench run {suite}`")
        raise UsageError(unknown("suite", suite, known, " in the store"))
    return sorted(found, key=lambda run: place.get(run.id, HERE))


def suite_specifications(engine: Engine, suite: str) -> list[dict[str, Any]]:
    """The different specifications of a suite's runs; none if it was never run."""
    with Session(engine) as session:
        found = session.scalars(select(RunRow.suite_specification).where(RunRow.suite == suite))
        return list({json.dumps(table, sort_keys=True): table for table in found}.values())


def runs_by_key(engine: Engine, keys: Collection[str]) -> list[RunRow]:
    """These runs, oldest first."""
    with Session(engine) as session:
        query = select(RunRow).where(RunRow.id.in_(keys)).order_by(RunRow.started_at, RunRow.id)
        return list(session.scalars(query))


def submissions_by_key(engine: Engine, keys: Collection[str]) -> list[SubmissionRow]:
    with Session(engine) as session:
        return list(session.scalars(select(SubmissionRow).where(SubmissionRow.key.in_(keys))))


def originals(engine: Engine, keys: Collection[str] | None = None) -> list[OriginalRow]:
    """The originals with these keys, by default all, sorted by key."""
    query = select(OriginalRow).order_by(OriginalRow.key)
    with Session(engine) as session:
        return list(session.scalars(query if keys is None else query.where(OriginalRow.key.in_(keys))))


def original_kinds(engine: Engine) -> list[OriginalSpec]:
    """The kinds of original in a store."""
    query = select(OriginalRow.capacity, OriginalRow.training).distinct()
    with engine.connect() as connection:
        return [OriginalSpec(capacity, cast(Training, training)) for capacity, training in connection.execute(query)]


class PlannedSubmission(NamedTuple):
    """A run and a submission (one state of a variant) of which it planned trials."""

    run: str
    key: str
    submission: str
    variant: str
    arrival: int
    """Number of the first origin of these plans; `HERE` if the run was made here."""


def planned_submissions(engine: Engine, runs: Sequence[RunRow]) -> list[PlannedSubmission]:
    # One index look-up per pair, however many trials there are.
    planned = (
        select(PlannedTrialRow.trial_key)
        .where(PlannedTrialRow.run_id == RunRow.id, PlannedTrialRow.submission_key == SubmissionRow.key)
        .exists()
    )
    query = (
        select(RunRow.id, SubmissionRow.key, SubmissionRow.name, SubmissionRow.variant)
        .join_from(RunRow, SubmissionRow, planned)
        .where(RunRow.id.in_([run.id for run in runs]))
        .order_by(RunRow.id, SubmissionRow.key)
    )
    ids = [run.id for run in runs]
    with engine.connect() as connection:
        place, later = arrivals(connection, ids), later_plans(connection, ids)
        return [
            PlannedSubmission(*row, later.get((row.id, row.key), place.get(row.id, HERE)))
            for row in connection.execute(query)
        ]


def count_recorded(engine: Engine, planned: Collection[PlannedSubmission], beside: Collection[str]) -> int:
    """Count the records of trials that these runs planned of these submissions, without those that `beside` planned."""
    here = aliased(PlannedTrialRow)
    other = select(here.trial_key).where(here.trial_key == PlannedTrialRow.trial_key, here.run_id.in_(beside))
    query = (
        select(func.count(distinct(PlannedTrialRow.trial_key)))
        .join(TrialRow, TrialRow.key == PlannedTrialRow.trial_key)
        .where(
            PlannedTrialRow.run_id.in_({item.run for item in planned}),
            PlannedTrialRow.submission_key.in_({item.key for item in planned}),
            ~other.exists(),
        )
    )
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def planned_keys(engine: Engine, run: str) -> set[str]:
    """The keys of the trials that a run planned."""
    with Session(engine) as session:
        return set(session.scalars(select(PlannedTrialRow.trial_key).where(PlannedTrialRow.run_id == run)))


class Planned(NamedTuple):
    """A trial that a run planned, with its record if there is one."""

    trial: PlannedTrialRow
    submission: SubmissionRow
    problem: ProblemRow
    record: TrialRow | None

    @property
    def cell(self) -> tuple[str, float, int, float, str]:
        """Corruption, discovery rate, corruption seed, capacity and training."""
        problem, trial = self.problem, self.trial
        of_problem = (problem.corruption, problem.discovery_rate, problem.corruption_seed)
        return (*of_problem, trial.capacity, trial.training)


def planned_trials(engine: Engine, runs: Sequence[str]) -> list[Planned]:
    """All trials that these runs planned, in this order of runs, then by variant and cell."""
    query = (
        select(PlannedTrialRow, SubmissionRow, ProblemRow, TrialRow)
        .join(SubmissionRow, SubmissionRow.key == PlannedTrialRow.submission_key)
        .join(ProblemRow, ProblemRow.key == PlannedTrialRow.problem_key)
        .outerjoin(TrialRow, TrialRow.key == PlannedTrialRow.trial_key)
        .where(PlannedTrialRow.run_id.in_(runs))
    )
    place = {run: index for index, run in enumerate(runs)}
    with Session(engine) as session:
        found = [Planned(*row) for row in session.execute(query)]
    return sorted(found, key=lambda item: (place[item.trial.run_id], item.submission.variant, item.cell))


@dataclass(frozen=True)
class Failure:
    """Failed trials of a method among those that a run planned.

    Attributes:
        method: its label.
        reason: the most frequent one.
        trials: how many failed, of which `earlier` before this run.
    """

    method: str
    reason: str
    trials: int
    earlier: int


def failures(engine: Engine, run: str) -> tuple[Failure, ...]:
    """The failures among the trials that a run planned, by method."""
    query = (
        select(SubmissionRow.name, SubmissionRow.variant, TrialRow.reason, TrialRow.run_id)
        .select_from(PlannedTrialRow)
        .join(TrialRow, TrialRow.key == PlannedTrialRow.trial_key)
        .join(SubmissionRow, SubmissionRow.key == TrialRow.submission_key)
        .where(PlannedTrialRow.run_id == run, TrialRow.state == "failed")
    )
    found: dict[str, list[tuple[str, bool]]] = {}
    with engine.connect() as connection:
        for name, variant, reason, recorded_by in connection.execute(query):
            found.setdefault(method_label(name, variant), []).append((str(reason), recorded_by != run))
    return tuple(
        Failure(
            method,
            reason=Counter(reason for reason, _ in failed).most_common(1)[0][0],
            trials=len(failed),
            earlier=sum(earlier for _, earlier in failed),
        )
        for method, failed in sorted(found.items())
    )


class Recorded(NamedTuple):
    """A record with the rows that it refers to, and its predictions."""

    trial: TrialRow
    run: RunRow
    problem: ProblemRow
    original: OriginalRow
    submission: SubmissionRow
    predictions: PredictionRow | None


def record(engine: Engine, prefix: str) -> Recorded:
    """The record of the trial whose key starts with `prefix`.

    Raises:
        UsageError: there is none, or several.
    """
    if not re.fullmatch(r"[0-9a-f]{1,64}", prefix):
        raise UsageError(f"'{prefix}' is not a key of a trial: use one from trials.csv, or its first characters")
    with Session(engine) as session:
        trials = session.scalars(select(TrialRow).where(TrialRow.key.startswith(prefix)).limit(2)).all()
        if not trials:
            raise UsageError(f"no trial '{prefix}' in the store: see the keys in trials.csv of its leaderboard")
        if len(trials) > 1:
            raise UsageError(f"several trials start with '{prefix}': use more characters of the key")
        (trial,) = trials
        return Recorded(
            trial,
            session.get_one(RunRow, trial.run_id),
            session.get_one(ProblemRow, trial.problem_key),
            session.get_one(OriginalRow, trial.original_key),
            session.get_one(SubmissionRow, trial.submission_key),
            session.get(PredictionRow, trial.key),
        )


class Finished(NamedTuple):
    """The record of a finished trial with its predictions."""

    run: RunRow
    problem: ProblemRow
    submission: SubmissionRow
    trial: TrialRow
    predictions: PredictionRow | None


def finished(engine: Engine, suite: str | None = None) -> Iterator[Finished]:
    """The finished trials of one suite or of all, sorted by run and problem, so that each problem is built once.

    Raises:
        UsageError: the suite has no runs.
    """
    query = (
        select(RunRow, ProblemRow, SubmissionRow, TrialRow)
        .join_from(TrialRow, RunRow, RunRow.id == TrialRow.run_id)
        .join(ProblemRow, ProblemRow.key == TrialRow.problem_key)
        .join(SubmissionRow, SubmissionRow.key == TrialRow.submission_key)
        .where(TrialRow.state == "finished")
        .order_by(
            *(RunRow.suite, RunRow.started_at, RunRow.id),
            *(ProblemRow.corruption, ProblemRow.corruption_seed, ProblemRow.discovery_rate, ProblemRow.key),
            *(SubmissionRow.name, SubmissionRow.variant, TrialRow.key),
        )
    )
    if suite is not None:
        runs = [run.id for run in runs_of_suite(engine, suite)]
        query = query.where(TrialRow.key.in_(select(PlannedTrialRow.trial_key).where(PlannedTrialRow.run_id.in_(runs))))
    with Session(engine) as session:
        for rows in session.execute(query.execution_options(yield_per=200)).partitions():
            keys = [row.TrialRow.key for row in rows]
            predictions = session.scalars(select(PredictionRow).where(PredictionRow.trial_key.in_(keys)))
            by_trial = {item.trial_key: item for item in predictions}
            for row in rows:
                yield Finished(*row, by_trial.get(row.TrialRow.key))
