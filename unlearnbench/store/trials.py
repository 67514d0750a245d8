"""Read the planned trials of runs for a board: one row each, or summed by method, seed and corruption.

The database sums from its indexes, so that a million trials never become a frame. What many trials share (submission,
problem, original) is read once and joined afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Connection, CursorResult, Engine, and_, case, func, or_, select

from unlearnbench.problems.suite import OriginalSpec, Suite, seed_of
from unlearnbench.store.columns import COLUMNS, DTYPES
from unlearnbench.store.origins import HERE
from unlearnbench.store.schema import (
    OriginalRow,
    OriginEntryRow,
    PlannedTrialRow,
    ProblemRow,
    SubmissionRow,
    TrialRow,
)

SCORES = (
    *("aggregate", "healed_train", "healed_undiscovered", "healed_test", "attack_success", "utility"),
    *("seconds", "processor_seconds"),
)
"""The metrics that rankings and comparisons need."""
SUMS = (*SCORES, "backward_samples")
"""What is summed for a ranking: the metrics, and the samples in backward passes of finished trials."""

_OF_SUBMISSION = {"submission": "name"} | {
    name: name for name in ("variant", "title", "role", "source_hash", "hyperparameters")
}
_OF_PROBLEM = {name: name for name in ("corruption", "discovery_rate", "corruption_seed", "corrupted")}
_OF_ORIGINAL = {f"original_{name}": name for name in ("healed_train", "healed_test", "utility", "utility_train")} | {
    "memorised": "memorised",
    "absorbed": "absorbed",
    "original_now": "weights_hash",
}
"""Columns joined to trials: column of the frame -> column of the table."""


@dataclass(frozen=True)
class Wanted:
    """Which trials to read: those of these submissions that these runs planned, newest run first.

    levels: levels of isolation; records of others are ignored.
    """

    runs: tuple[str, ...]
    submissions: tuple[str, ...]
    levels: tuple[str, ...]


def read_trials(engine: Engine, wanted: Wanted) -> pd.DataFrame:
    """One row per run and trial that it planned, in the order of the runs, with columns of `COLUMNS` and `arrival`.

    `state` is `missing` if there is no record; `run` is the run that recorded the trial, else the one that planned it;
    `arrival` is the number of the first origin of the record, `HERE` if it was made here.
    """
    of_record = [
        column
        for column in TrialRow.__table__.columns
        if column.name in COLUMNS and column.name not in ("state", *PlannedTrialRow.__table__.columns.keys())
    ]
    origins = select(func.min(OriginEntryRow.origin_id)).where(
        OriginEntryRow.table_name == TrialRow.__tablename__, OriginEntryRow.key == TrialRow.key
    )
    arrival = func.coalesce(origins.scalar_subquery(), HERE)
    query = (
        select(
            PlannedTrialRow.run_id.label("planned_by"),
            *(PlannedTrialRow.submission_key, PlannedTrialRow.problem_key, PlannedTrialRow.original_key),
            *(PlannedTrialRow.capacity, PlannedTrialRow.training),
            *(PlannedTrialRow.training_seed, PlannedTrialRow.unlearning_seed),
            PlannedTrialRow.trial_key.label("trial"),
            func.coalesce(TrialRow.run_id, PlannedTrialRow.run_id).label("run"),
            func.coalesce(TrialRow.state, "missing").label("state"),
            arrival.label("arrival"),
            *of_record,
        )
        .select_from(PlannedTrialRow)
        .outerjoin(TrialRow, and_(TrialRow.key == PlannedTrialRow.trial_key, TrialRow.isolation.in_(wanted.levels)))
        .where(PlannedTrialRow.run_id.in_(wanted.runs), PlannedTrialRow.submission_key.in_(wanted.submissions))
    )
    with engine.connect() as connection:
        frame = pd.read_sql(query, connection)
        submissions = _table(connection, SubmissionRow, _OF_SUBMISSION)
        problems = _table(connection, ProblemRow, _OF_PROBLEM)
        originals = _table(connection, OriginalRow, _OF_ORIGINAL)
    submissions["hyperparameters"] = [json.dumps(values, sort_keys=True) for values in submissions["hyperparameters"]]
    age = frame.pop("planned_by").map({run: index for index, run in enumerate(wanted.runs)})
    frame = frame.iloc[age.argsort(kind="stable")].reset_index(drop=True)
    frame = frame.join(submissions, on="submission_key").join(problems, on="problem_key")
    frame = frame.join(originals, on="original_key")  # nan if the original is not stored
    # The record's hash comes first: a merged store may hold other weights under the original's key.
    frame["original_weights_hash"] = frame["original_weights_hash"].fillna(frame.pop("original_now"))
    frame["original_aggregate"] = frame["original_healed_train"] * frame["original_utility"]
    frame = frame.rename(columns={"problem_key": "problem", "original_key": "original"}).drop(columns="submission_key")
    arrivals = frame.pop("arrival")
    kinds = {name: COLUMNS[name].kind for name in frame.columns.astype(str)}
    return frame.astype(
        {
            name: DTYPES[kind]
            for name, kind in kinds.items()
            if kind not in ("text", "json") and not (kind == "integer" and COLUMNS[name].given)
        }
    ).assign(arrival=arrivals)


def _table(connection: Connection, source: Any, columns: dict[str, str]) -> pd.DataFrame:
    """Columns of a table (label -> name), indexed by key."""
    query = select(source.key, *(getattr(source, column).label(name) for name, column in columns.items()))
    return pd.read_sql(query, connection, index_col="key")


@dataclass(frozen=True)
class Context:
    """What trials share: all submissions, problems and originals of a store, indexed by key."""

    submissions: pd.DataFrame
    problems: pd.DataFrame
    originals: pd.DataFrame

    def beside(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Replace the keys of problems and originals in a frame by their columns."""
        for name, table in (("problem_key", self.problems), ("original_key", self.originals)):
            keys = pd.Categorical(frame[name])
            frame = frame.drop(columns=name).join(table.reindex(keys.categories).take(keys.codes).set_axis(frame.index))
        return frame


def read_context(engine: Engine) -> Context:
    submissions = {"submission": "name"} | {name: name for name in ("variant", "title", "role")}
    with engine.connect() as connection:
        return Context(
            _table(connection, SubmissionRow, submissions),
            _table(connection, ProblemRow, _OF_PROBLEM),
            _table(connection, OriginalRow, {name: name for name in ("capacity", "training", "training_seed")}),
        )


def read_sums(engine: Engine, wanted: Wanted, grid: Suite, context: Context) -> pd.DataFrame:
    """The recorded trials on a grid, summed to one row per submission, original and unlearning seed.

    Columns: `submission_key`, `original_key`, `started` (hash of its weights), `unlearning_seed`; `problem_key` of one
    of the problems; `recorded` and `failed`, numbers of records; `best`, the largest `healed_train`; for each of
    `SUMS`, `NAME` and `NAME_count`, the sum and number of values. A failed trial counts in `aggregate_count`.
    """
    group = [getattr(TrialRow, name) for name in _GROUP]
    query = (
        select(
            *group,
            func.min(TrialRow.problem_key).label("problem_key"),
            func.count().label("recorded"),
            func.count(TrialRow.aggregate).label("finished"),
            func.max(TrialRow.healed_train).label("best"),
            *(func.sum(_value(name)).label(name) for name in SUMS),
            *(func.count(_value(name)).label(f"{name}_count") for name in SUMS if name not in ("aggregate", *_ALWAYS)),
        )
        .where(_recorded(wanted))
        .group_by(*group)
    )
    rates, seeds = (0.0, *grid.discovery_rates), {seed_of(item).corruption for item in grid.seeds}
    problems = context.problems
    inside = problems["corruption"].isin(grid.corruptions) & problems["discovery_rate"].isin(rates)
    if not (inside & problems["corruption_seed"].isin(seeds)).all():  # rare; saves a filter on every trial
        on_grid = select(ProblemRow.key).where(
            ProblemRow.corruption.in_(grid.corruptions),
            ProblemRow.discovery_rate.in_(rates),
            ProblemRow.corruption_seed.in_(seeds),
        )
        query = query.where(TrialRow.problem_key.in_(on_grid))
    with engine.connect() as connection:
        frame = _frame(connection.execute(query))
    # Every finished trial has these metrics; a failed one counts as 0 in the aggregate.
    frame = frame.assign(aggregate_count=frame["recorded"], **{f"{name}_count": frame["finished"] for name in _ALWAYS})
    frame = frame.assign(failed=frame["recorded"] - frame["finished"])
    return frame.drop(columns="finished").rename(columns={"original_weights_hash": "started"})


def _value(name: str) -> ColumnElement[Any]:
    """What a trial adds to one of `SUMS`."""
    column: ColumnElement[Any] = TrialRow.__table__.c[name]
    return case((TrialRow.aggregate.is_not(None), column)) if name == "backward_samples" else column


def _frame(result: CursorResult[Any]) -> pd.DataFrame:
    """The rows of a result: keys and hashes as categories, numbers as float64 (nan if missing).

    Reads the driver's rows: building SQLAlchemy's takes as long as all sums.
    """
    names, known, chunks = list(result.keys()), dict[str, int](), []
    while rows := result.cursor.fetchmany(_CHUNK):
        chunks.append(
            [
                np.array([known.setdefault(text, len(known)) for text in column], dtype=np.int32)
                if name.endswith(("_key", "_hash"))
                else np.array(column, dtype=np.float64)
                for name, column in zip(names, zip(*rows, strict=True), strict=True)
            ]
        )
    if not chunks:
        return pd.DataFrame(columns=names)
    columns = {name: np.concatenate([chunk.pop(0) for chunk in chunks]) for name in names}  # freed one by one
    texts = pd.Index(known, dtype=object)
    keys = {name: pd.Categorical.from_codes(codes, texts) for name, codes in columns.items() if codes.dtype == np.int32}
    return pd.DataFrame(columns | keys, copy=False)


_ALWAYS = ("healed_train", "healed_test", "utility")
"""The metrics that every finished trial has, besides the aggregate."""
_GROUP = ("submission_key", "original_key", "original_weights_hash", "unlearning_seed")
_CHUNK = 2000
"""Number of rows in memory as Python objects at a time."""


def _recorded(wanted: Wanted) -> ColumnElement[bool]:
    """The records of trials that one of the runs planned. A run planned every trial that it recorded."""
    planned = (
        select(PlannedTrialRow.trial_key)
        .where(PlannedTrialRow.trial_key == TrialRow.key, PlannedTrialRow.run_id.in_(wanted.runs))
        .exists()
    )
    return and_(
        TrialRow.submission_key.in_(wanted.submissions),
        TrialRow.isolation.in_(wanted.levels),
        or_(TrialRow.run_id.in_(wanted.runs), planned),
    )


def read_healed(engine: Engine, wanted: Wanted, above: float) -> Iterator[pd.DataFrame]:
    """The trials with a `healed_train` above a limit, with their keys and unlearning seed, in chunks."""
    columns = ("submission_key", "original_key", "problem_key", "unlearning_seed", "healed_train")
    query = select(*(getattr(TrialRow, name) for name in columns)).where(
        _recorded(wanted), TrialRow.healed_train > above
    )
    with engine.connect() as connection:
        yield from pd.read_sql(query, connection, chunksize=5 * _CHUNK)


def planned_kinds(engine: Engine, wanted: Wanted, kinds: Iterable[OriginalSpec]) -> list[tuple[str, OriginalSpec]]:
    """The pairs of submission key and kind of original of which the runs planned trials."""
    found = []
    with engine.connect() as connection:
        for kind in kinds:
            # One index look-up per submission, as in `results.planned_submissions`.
            planned = select(PlannedTrialRow.trial_key).where(
                PlannedTrialRow.run_id.in_(wanted.runs),
                PlannedTrialRow.submission_key == SubmissionRow.key,
                PlannedTrialRow.capacity == kind.capacity,
                PlannedTrialRow.training == kind.training,
            )
            query = select(SubmissionRow.key).where(SubmissionRow.key.in_(wanted.submissions), planned.exists())
            found += [(key, kind) for key in connection.scalars(query)]
    return found


def planned_seeds(engine: Engine, wanted: Wanted, submissions: Collection[str], grid: Suite) -> pd.DataFrame:
    """The seeds with which trials of these submissions were planned on a grid, by kind of original, and the highest
    discovery rate of each."""
    group = (
        *(PlannedTrialRow.submission_key, PlannedTrialRow.capacity, PlannedTrialRow.training),
        *(ProblemRow.corruption_seed, PlannedTrialRow.training_seed, PlannedTrialRow.unlearning_seed),
    )
    query = (
        select(*group, func.max(ProblemRow.discovery_rate).label("discovery_rate"))
        .join(ProblemRow, ProblemRow.key == PlannedTrialRow.problem_key)
        .where(PlannedTrialRow.run_id.in_(wanted.runs), PlannedTrialRow.submission_key.in_(submissions))
        .where(ProblemRow.corruption.in_(grid.corruptions))
        .where(ProblemRow.discovery_rate.in_((0.0, *grid.discovery_rates)))
        .group_by(*group)
    )
    with engine.connect() as connection:
        return pd.read_sql(query, connection)
