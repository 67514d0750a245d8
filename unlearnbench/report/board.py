"""A board: all current records of a suite, whatever run stored them, as one frame; and what is not current, with why.

A record is current if its run measured under the conditions that count today (`problem.suite.conditions`, the protocol
version, the data), and if it is of the state of its method that was planned last. The conditions are those of the
suite's file where there is one, else those of the newest run.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, Select, and_, distinct, func, select
from sqlalchemy.orm import Session

from unlearnbench.engine.isolation import Isolation, at_least
from unlearnbench.engine.protocol import PROTOCOL_VERSION
from unlearnbench.errors import UsageError
from unlearnbench.problem.corruption import CORRUPTIONS
from unlearnbench.problem.identity import conditions
from unlearnbench.problem.suite import OriginalSpec, Suite, seed_of
from unlearnbench.problem.suite_file import find_if_any, parse, stored
from unlearnbench.store.labels import method_label
from unlearnbench.store.schema import OriginalRow, PlannedTrialRow, ProblemRow, RunRow, SubmissionRow, TrialRow

MEASURED = (
    *("healed_train", "healed_discovered", "healed_undiscovered", "healed_test", "utility", "utility_train"),
    *("attack_success", "misled_discovered", "misled_undiscovered", "aggregate", "selection_score"),
    *("seconds", "processor_seconds", "evaluation_seconds", "total_seconds"),
)
COUNTED = ("forward_samples", "backward_samples")
OF_ORIGINAL = ("healed_train", "healed_test", "utility", "utility_train")
CELL = ["corruption", "discovery_rate"]
PLACE = ["method", "seed", *CELL]
"""What no two rows of a board share."""


@dataclass(frozen=True)
class Part:
    """The part of a suite's grid that is looked at; all of an axis that nothing is chosen of."""

    seeds: tuple[int, ...] = ()
    discovery_rates: tuple[float, ...] = ()
    corruptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stale:
    """Records under the suite's name that are not on its board, and the command that renews them."""

    method: str
    records: int
    reason: str
    command: str


@dataclass(frozen=True)
class Board:
    """The trials of a suite that count, and those that do not.

    frame: one row for each method, seed and cell of the grid that was planned or belongs to a seed of which something
        was: its method, problem, original, and record if there is one. Accuracies are shares, times seconds. `state` is
        `finished`, `failed`, or `missing` where there is no record. `whole` says whether the method has a record in
        every cell of this seed: no other seed counts in a mean.
    """

    suite: Suite
    frame: pd.DataFrame = field(repr=False)
    stale: tuple[Stale, ...]

    @property
    def seeds(self) -> int:
        """Whole seeds of the method that has most of them."""
        whole = self.frame[self.frame["whole"]].groupby("method")["seed"].nunique()
        return int(whole.max()) if len(whole) else 0


def read_board(
    engine: Engine,
    name: str,
    *,
    suites: Path | None = None,
    part: Part = Part(),
    isolation: Isolation = "process",
) -> Board:
    """The board of a suite in a store.

    Args:
        suites: the folder in which the suite's file is looked for.
        isolation: records of a lower level count as missing.

    Raises:
        UsageError: the store has no run of this suite, no current one, or nothing in this part of its grid.
    """
    with Session(engine) as session:
        runs = list(session.scalars(select(RunRow).where(RunRow.suite == name).order_by(*NEWEST_FIRST)))
        known = session.scalars(select(RunRow.suite).distinct().order_by(RunRow.suite)).all()
    if not runs:
        raise UsageError(f"the store has no run of suite '{name}'; it has runs of: {', '.join(known) or 'no suite'}")
    file = None if suites is None else find_if_any(name, suites)
    suite, protocol = stored(runs[0].suite_specification), runs[0].protocol_version
    if file is not None:
        suite, protocol = parse(file), PROTOCOL_VERSION
    reasons = dict(_reasons(runs, suite, protocol))
    current = [run for run in runs if run.id not in reasons]
    planned = _planned(engine, runs)
    keys = _newest(planned, current, at_least(isolation))
    stale = tuple(_stale(engine, name, planned, reasons, keys))
    if not keys:
        listed = "; ".join(f"{item.method}: {item.reason} ({item.records} records)" for item in stale)
        raise UsageError(f"no record of suite '{name}' is current: {listed}; run it again: `unlearnbench run {name}`")
    grid = suite.part(part.seeds, part.discovery_rates, part.corruptions)
    with engine.connect() as connection:
        query = _query([run.id for run in current], list(keys), at_least(isolation))
        frame = pd.read_sql(query, connection)
    frame = _completed(_typed(frame, suite), grid)
    if frame.empty:
        raise UsageError(f"no trial of suite '{name}' was planned in this part of its grid: `unlearnbench run {name}`")
    return Board(suite, frame, stale)


NEWEST_FIRST = (RunRow.started_at.desc(), RunRow.id.desc())


def _reasons(runs: Sequence[RunRow], suite: Suite, protocol: int) -> Iterator[tuple[str, str]]:
    """Why the records of a run are stale, by run; nothing of a run whose records are current."""
    wanted = conditions(suite)
    fingerprint: str | None = None
    for run in runs:
        then = conditions(stored(run.suite_specification))
        other = [key for key in {**wanted, **then} if then.get(key) != wanted.get(key)]
        if run.protocol_version != protocol:
            yield run.id, f"protocol {run.protocol_version} instead of {protocol}"
        elif other:
            yield run.id, ", ".join(f"{key} {_shown(then, key)} instead of {_shown(wanted, key)}" for key in other)
        elif fingerprint not in (None, run.data_fingerprint):
            yield run.id, f"other data ({run.data_fingerprint[:12]} instead of {(fingerprint or '')[:12]})"
        else:
            fingerprint = run.data_fingerprint


def _shown(values: dict[str, Any], key: str) -> str:
    return json.dumps(values[key]) if key in values else "(default)"


@dataclass(frozen=True)
class _Planned:
    """A run planned trials of this state of a method."""

    run: str
    submission: str
    name: str
    variant: str


def _planned(engine: Engine, runs: Sequence[RunRow]) -> list[_Planned]:
    pairs = (
        select(PlannedTrialRow.run_id, PlannedTrialRow.submission_key)
        .where(PlannedTrialRow.run_id.in_([run.id for run in runs]))
        .distinct()
        .subquery()
    )
    query = select(pairs.c.run_id, pairs.c.submission_key, SubmissionRow.name, SubmissionRow.variant)
    with engine.connect() as connection:
        rows = connection.execute(query.join(SubmissionRow, SubmissionRow.key == pairs.c.submission_key)).all()
    return [_Planned(*row) for row in rows]


def _newest(planned: Sequence[_Planned], current: Sequence[RunRow], levels: Sequence[str]) -> dict[str, str]:
    """The submission keys that count, each with its method: of every method the state that was planned last.

    Runs at one of these levels of isolation go before others.
    """
    age = {run.id: place for place, run in enumerate(sorted(current, key=lambda run: run.isolation not in levels))}
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    for item in planned:
        if item.run in age:
            method, found = (item.name, item.variant), (age[item.run], item.submission)
            newest[method] = min(newest.get(method, found), found)
    return {key: method_label(*method) for method, (_, key) in newest.items()}


def _stale(
    engine: Engine, suite: str, planned: Sequence[_Planned], reasons: dict[str, str], keys: dict[str, str]
) -> Iterator[Stale]:
    """What was recorded and does not count, by method and reason."""
    counting = {(item.run, item.submission) for item in planned if item.run not in reasons and item.submission in keys}
    if len(counting) == len(planned):
        return
    groups: dict[tuple[str, str], list[_Planned]] = {}
    for item in planned:
        if (item.run, item.submission) not in counting:
            reason = reasons.get(item.run, "an earlier state of its code or hyperparameters")
            groups.setdefault((method_label(item.name, item.variant), reason), []).append(item)
    here = select(PlannedTrialRow.trial_key).where(
        PlannedTrialRow.run_id.in_({run for run, _ in counting}), PlannedTrialRow.submission_key.in_(keys)
    )
    with engine.connect() as connection:
        for (method, reason), items in sorted(groups.items()):
            of_group = [PlannedTrialRow.run_id.in_({item.run for item in items})]
            of_group.append(PlannedTrialRow.submission_key.in_({item.submission for item in items}))
            count = connection.scalar(
                select(func.count(distinct(PlannedTrialRow.trial_key)))
                .join(TrialRow, TrialRow.key == PlannedTrialRow.trial_key)
                .where(*of_group, PlannedTrialRow.trial_key.not_in(here))
            )
            if count:
                yield Stale(method, count, reason, f"unlearnbench run {suite} --method {method}")


def _query(runs: Sequence[str], submissions: Sequence[str], levels: Sequence[str]) -> Select[Any]:
    """Every planned trial of these runs and submissions with its record, if there is one."""
    query: Any = (
        select(
            *(SubmissionRow.name.label("submission"), SubmissionRow.variant, SubmissionRow.title, SubmissionRow.role),
            *(PlannedTrialRow.capacity, PlannedTrialRow.training),
            *(ProblemRow.regularity, ProblemRow.corruption, ProblemRow.discovery_rate, ProblemRow.corruption_seed),
            *(PlannedTrialRow.training_seed, PlannedTrialRow.unlearning_seed, ProblemRow.corrupted),
            func.coalesce(TrialRow.state, "missing").label("state"),
            TrialRow.reason,
            *(getattr(TrialRow, column) for column in (*MEASURED, *COUNTED)),
            *(getattr(OriginalRow, column).label(f"original_{column}") for column in OF_ORIGINAL),
            (OriginalRow.healed_train * OriginalRow.utility).label("original_aggregate"),
            *(OriginalRow.memorised, OriginalRow.absorbed),
            # That of the record: a store that was merged may hold another one under the same key.
            func.coalesce(TrialRow.original_weights_hash, OriginalRow.weights_hash).label("original_weights_hash"),
            *(SubmissionRow.source_hash, SubmissionRow.hyperparameters),
            PlannedTrialRow.trial_key.label("trial"),
            PlannedTrialRow.problem_key.label("problem"),
            PlannedTrialRow.original_key.label("original"),
            func.coalesce(TrialRow.run_id, PlannedTrialRow.run_id).label("run"),
        )
        .select_from(PlannedTrialRow)
        .join(ProblemRow, ProblemRow.key == PlannedTrialRow.problem_key)
        .join(SubmissionRow, SubmissionRow.key == PlannedTrialRow.submission_key)
        .join(RunRow, RunRow.id == PlannedTrialRow.run_id)
        # A missing trial's original may be missing as well.
        .outerjoin(OriginalRow, OriginalRow.key == PlannedTrialRow.original_key)
        .outerjoin(TrialRow, and_(TrialRow.key == PlannedTrialRow.trial_key, TrialRow.isolation.in_(levels)))
        .where(PlannedTrialRow.run_id.in_(runs), PlannedTrialRow.submission_key.in_(submissions))
        .order_by(*NEWEST_FIRST)
    )
    selected: Select[Any] = query
    return selected


def _typed(frame: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """The frame with the names of methods, seeds and originals, and a type for each column."""
    frame["hyperparameters"] = [json.dumps(values, sort_keys=True) for values in frame["hyperparameters"]]
    base = OriginalSpec(suite.originals.capacities[0], suite.originals.trainings[0])
    kinds = [OriginalSpec(*pair) for pair in zip(frame["capacity"], frame["training"], strict=True)]
    frame["stands_on"] = [kind.label for kind in kinds]
    # A method on another original is another row of every figure and table.
    names = [method_label(*pair) for pair in zip(frame["submission"], frame["variant"], strict=True)]
    frame.insert(0, "method", [f"{name}{other_than(kind, base)}" for name, kind in zip(names, kinds, strict=True)])
    seeds = zip(frame["corruption_seed"], frame["training_seed"], frame["unlearning_seed"], strict=True)
    frame["seed"] = [seed_label(*seed) for seed in seeds]
    # A column that is empty in the store has no type of its own.
    originals = [f"original_{column}" for column in (*OF_ORIGINAL, "aggregate")]
    types = dict.fromkeys([*MEASURED, "memorised", *originals], "float64")
    types |= dict.fromkeys((*COUNTED, "corruption_seed", "training_seed", "unlearning_seed"), "Int64")
    return frame.astype(types | {"absorbed": "boolean"})


def seed_label(corruption: int, training: int, unlearning: int) -> str:
    """How a seed is called: by its number, or by its three numbers where they differ."""
    one = corruption == training == unlearning
    return str(corruption) if one else f"{corruption}/{training}/{unlearning}"


def other_than(kind: OriginalSpec, base: OriginalSpec) -> str:
    """What a method's name says of the original that it starts from, where that is not the suite's first."""
    parts = [f"{100 * kind.capacity:g}%"] if kind.capacity != base.capacity else []
    if kind.training != base.training:
        parts.append(kind.training.replace("-", " "))
    return f" on {', '.join(parts)}" if parts else ""


def _completed(frame: pd.DataFrame, grid: Suite) -> pd.DataFrame:
    """The rows of this grid, one for each place, with what is missing of a seed of which something was planned."""
    labels = {}
    for item in grid.seeds:
        seed = seed_of(item)
        labels[seed_label(seed.corruption, seed.training, seed.unlearning)] = seed
    rates = list(grid.discovery_rates)
    # A trial without a forget set is the same one in every column.
    once = frame["discovery_rate"] == 0
    frame = pd.concat([frame[~once], *(frame[once].assign(discovery_rate=rate) for rate in rates)])
    frame = frame[
        frame["seed"].isin(labels) & frame["corruption"].isin(grid.corruptions) & frame["discovery_rate"].isin(rates)
    ]
    frame = _one_a_place(frame)
    columns = ["method", "submission", "variant", "title", "role", "capacity", "training", "stands_on"]
    columns += ["source_hash", "hyperparameters", "seed"]
    seeds = frame.drop_duplicates(["method", "seed"])[columns]
    cells = pd.DataFrame(list(itertools.product(grid.corruptions, rates)), columns=CELL)
    whole = seeds.merge(cells, how="cross")
    rest = frame.drop(columns=[name for name in columns if name not in PLACE])
    frame = whole.merge(rest, how="left", on=PLACE)
    frame["state"] = frame["state"].fillna("missing")
    frame["regularity"] = [CORRUPTIONS[name].regularity for name in frame["corruption"]]
    for name in ("corruption", "training", "unlearning"):
        numbers = [getattr(labels[seed], name) for seed in frame["seed"]]
        frame[f"{name}_seed"] = np.array(numbers, dtype=np.int64)
    recorded = (frame["state"] != "missing").groupby([frame["method"], frame["seed"]]).transform("all")
    order = ["method", "corruption", "discovery_rate", *SEEDS]
    return frame.assign(whole=recorded).sort_values(order, kind="stable", ignore_index=True)


SEEDS = ("corruption_seed", "training_seed", "unlearning_seed")


def _one_a_place(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each place, of a frame that has rows of newer runs first.

    Where a seed was run in several ways (precision, isolation), what counts is the one original of each corruption
    with most records, of equal ones the newer.
    """
    frame = frame.assign(recorded=frame["state"] != "missing")
    frame = frame.sort_values("recorded", ascending=False, kind="stable").drop_duplicates(["trial", *PLACE])
    if frame.duplicated(PLACE).any():
        of_seed = ["method", "seed", "corruption"]
        isolation = frame.groupby([*of_seed, "original"])["recorded"].transform("sum")
        frame = frame.assign(records=isolation).sort_values("records", ascending=False, kind="stable")
        first = frame.groupby(of_seed)["original"].transform("first")
        frame = frame[frame["original"] == first].drop(columns="records")
    return frame.drop(columns="recorded").drop_duplicates(PLACE)


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that count in a number: those of whole seeds."""
    return frame[frame["whole"]]


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that a map shows: those that count, and of a method without a whole seed all that there are."""
    return frame[frame["whole"] | ~frame.groupby("method")["whole"].transform("any")]


def runs_of(engine: Engine, frame: pd.DataFrame) -> list[RunRow]:
    """The runs that recorded the trials of the frame, or planned them where a record is missing; oldest first."""
    keys = frame["run"].dropna().unique().tolist()
    with Session(engine) as session:
        query = select(RunRow).where(RunRow.id.in_(keys)).order_by(RunRow.started_at, RunRow.id)
        return list(session.scalars(query))


def incomplete(frame: pd.DataFrame) -> pd.DataFrame:
    """The seeds that do not count: method, seed, and how many of their trials have a record."""
    rows = frame[~frame["whole"]].assign(recorded=lambda rows: rows["state"] != "missing")
    groups = rows.groupby(["method", "seed"], sort=False)["recorded"]
    return groups.agg(recorded="sum", trials="size").reset_index()
