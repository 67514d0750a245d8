"""A board: all current records of a suite, whatever run stored them, as one frame; and what is not current, with why.

A record is current if its run measured under the conditions that count today (`problems.identity.conditions`, the
protocol version, the data), and if it is of the state of its method that was planned last. The conditions are those of
the suite's file where there is one, else those of the newest run.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from unlearnbench.boundary.isolation import Isolation, at_least
from unlearnbench.errors import UsageError, unknown
from unlearnbench.problems.corruption import CORRUPTIONS
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.suite import OriginalSpec, Suite, seed_of
from unlearnbench.problems.suite_file import find_if_any, parse, stored
from unlearnbench.report.numbers.current import (
    Stale,
    current_submissions,
    planned_submissions,
    stale_records,
    stale_runs,
)
from unlearnbench.report.numbers.rows import read_rows
from unlearnbench.store.labels import method_label
from unlearnbench.store.schema import RunRow

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
class Board:
    """The trials of a suite that count, and those that do not.

    frame: one row for each method, seed and cell of the grid that was planned or belongs to a seed of which something
        was: its method, problem, original, and record if there is one. Accuracies are shares, times seconds. `state` is
        `finished`, `failed`, or `missing` where there is no record. `whole` says whether the method has a record in
        every cell of this seed: no other seed counts in a mean. `again` is true of a trial without a forget set in
        all columns but the first.
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
    brief: bool = False,
) -> Board:
    """The board of a suite in a store.

    Args:
        suites: the folder in which the suite's file is looked for.
        isolation: records of a lower level count as missing.
        brief: only the columns that rankings and comparisons need, which is much faster on a large store.

    Raises:
        UsageError: the store has no run of this suite, no current one, or nothing in this part of its grid.
    """
    with Session(engine) as session:
        runs = list(
            session.scalars(
                select(RunRow).where(RunRow.suite == name).order_by(RunRow.started_at.desc(), RunRow.id.desc())
            )
        )
        known = session.scalars(select(RunRow.suite).distinct().order_by(RunRow.suite)).all()
    if not runs:
        raise UsageError(unknown("suite", name, known, " in the store"))
    file = None if suites is None else find_if_any(name, suites)
    suite, protocol = stored(runs[0].suite_specification), runs[0].protocol_version
    if file is not None:
        suite, protocol = parse(file), PROTOCOL_VERSION
    reasons = dict(stale_runs(runs, suite, protocol))
    current = [run for run in runs if run.id not in reasons]
    planned = planned_submissions(engine, runs)
    keys = current_submissions(planned, current, at_least(isolation))
    stale = tuple(stale_records(engine, name, planned, reasons, keys))
    if not keys:
        listed = "; ".join(f"{item.method}: {item.reason} ({item.words})" for item in stale)
        raise UsageError(f"no record of suite '{name}' is current: {listed}; run it again: `unlearnbench run {name}`")
    grid = suite.part(part.seeds, part.discovery_rates, part.corruptions)
    rows = read_rows(engine, [run.id for run in current], list(keys), at_least(isolation), brief=brief)
    frame = _completed(_named(rows, suite), grid)
    if frame.empty:
        raise UsageError(f"no trial of suite '{name}' was planned in this part of its grid: `unlearnbench run {name}`")
    return Board(suite, frame, stale)


def _named(frame: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """The frame with the names of methods, seeds and originals."""
    base = OriginalSpec(suite.originals.capacities[0], suite.originals.trainings[0])
    # A method on another original is another row of every figure and table.
    of_method = ["submission", "variant", "capacity", "training"]
    methods = frame[of_method].drop_duplicates()
    kinds = [OriginalSpec(*pair) for pair in zip(methods["capacity"], methods["training"], strict=True)]
    names = [method_label(*pair) for pair in zip(methods["submission"], methods["variant"], strict=True)]
    methods = methods.assign(
        method=[f"{name}{other_than(kind, base)}" for name, kind in zip(names, kinds, strict=True)],
        stands_on=[kind.label for kind in kinds],
    )
    seeds = frame[list(SEEDS)].drop_duplicates()
    seeds = seeds.assign(seed=[seed_label(*numbers) for numbers in seeds.itertuples(index=False)])
    # A merge on the left keeps the order of the rows, in which newer runs come first.
    return frame.merge(methods, how="left", on=of_method).merge(seeds, how="left", on=list(SEEDS))


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
    # A trial without a forget set is the same one in every column: it counts there, and is one trial.
    once = frame["discovery_rate"] == 0
    copies = [frame[once].assign(discovery_rate=rate, again=rate != rates[0]) for rate in rates]
    frame = pd.concat([frame[~once].assign(again=False), *copies])
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
    frame["again"] = frame["again"].eq(True)
    frame["regularity"] = frame["corruption"].map({name: CORRUPTIONS[name].regularity for name in grid.corruptions})
    for name in ("corruption", "training", "unlearning"):
        numbers = {label: getattr(seed, name) for label, seed in labels.items()}
        frame[f"{name}_seed"] = frame["seed"].map(numbers).astype("int64")
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
    frame = frame.sort_values("recorded", ascending=False, kind="stable").drop_duplicates(["original", *PLACE])
    if frame.duplicated(PLACE).any():
        of_seed = ["method", "seed", "corruption"]
        records = frame.groupby([*of_seed, "original"])["recorded"].transform("sum")
        frame = frame.assign(records=records).sort_values("records", ascending=False, kind="stable")
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
    rows = frame[~frame["whole"] & ~frame["again"]].assign(recorded=lambda rows: rows["state"] != "missing")
    groups = rows.groupby(["method", "seed"], sort=False)["recorded"]
    return groups.agg(recorded="sum", trials="size").reset_index()
