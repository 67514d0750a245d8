"""A board: all current records of a suite as one frame, whichever run stored them, and its stale records."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import get_args

import pandas as pd
from sqlalchemy import Engine

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import UsageError, unknown
from unlearnbench.problems.corruption import kind_of
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import OriginalSpec, Suite, Training, seed_of
from unlearnbench.report.numbers.current import Current, Stale, current, preference
from unlearnbench.report.numbers.regularity import with_measured
from unlearnbench.report.numbers.totals import REFERENCE, RETRAIN, totals_of
from unlearnbench.store.columns import COLUMNS
from unlearnbench.store.labels import METHOD, Method, method_label, seed_label
from unlearnbench.store.results import original_kinds, runs_by_key
from unlearnbench.store.schema import RunRow
from unlearnbench.store.trials import planned_kinds, read_trials

CELL = ["corruption", "discovery_rate"]
SEEDS = ["corruption_seed", "training_seed", "unlearning_seed"]
PLACE = [*METHOD, *SEEDS, *CELL]
"""The columns that identify a row of a board."""


@dataclass(frozen=True)
class Selection:
    """The selected part of a suite's grid; all of an axis if nothing is selected there."""

    seeds: tuple[int, ...] = ()
    discovery_rates: tuple[float, ...] = ()
    corruptions: tuple[str, ...] = ()

    def of(self, suite: Suite) -> Suite:
        return suite.select(self.seeds, self.discovery_rates, self.corruptions)


WHOLE = Selection()


@dataclass(frozen=True)
class Board:
    """The current trials of a suite, and its stale records.

    frame: columns of `store.columns` without `suite` and the details of runs, and `measured` (`with_measured`); one row
        for every method, planned seed and cell of the grid. A seed is planned if at least one of its trials is.
    submissions: keys of the current submissions.
    """

    suite: Suite
    frame: pd.DataFrame = field(repr=False)
    submissions: tuple[str, ...]
    stale: tuple[Stale, ...]

    @cached_property
    def totals(self) -> pd.DataFrame:
        return totals_of(self.frame)

    def find(self, name: str) -> str:
        """The label of a method, as in `find_method`."""
        rows = self.frame.drop_duplicates("method")
        return find_method(
            name,
            {row["method"]: Method(*(row[part] for part in METHOD)) for row in rows.to_dict("records")},
            self.suite,
        )

    @property
    def seeds(self) -> int:
        """As `most_seeds`."""
        return most_seeds(self.frame)


def most_seeds(rows: pd.DataFrame) -> int:
    """The largest number of whole seeds of a method that is no reference, from a board's frame or its totals.

    Of references if there is nothing else.
    """
    own = rows[rows["role"] != REFERENCE]
    whole = (own if len(own) else rows).pipe(counted).groupby("method")["seed"].nunique()
    return int(whole.max()) if len(whole) else 0


def read_board(
    engine: Engine,
    name: str,
    *,
    suites: Sequence[Path] = (),
    selection: Selection = WHOLE,
    isolation: Isolation = "process",
    methods: Sequence[str] = (),
) -> Board:
    """Read the board of a suite from a store.

    Args:
        suites: folders in which the suite's file may be.
        isolation: records with weaker isolation count as missing.
        methods: only the submissions of these methods, and retraining, the unit of cost; default: all.

    Raises:
        UsageError: the store has no run of the suite, no current one, no trial in this part of the grid, or none of
            one of the methods.
    """
    found = current(engine, name, suites, isolation)
    grid = selection.of(found.suite)
    wanted = found.wanted
    if methods:
        wanted = replace(wanted, submissions=_submissions_of(methods, engine, found))
    frame = _completed(read_trials(engine, wanted), grid)
    if frame.empty:
        raise nothing_planned(name)
    frame = labelled(frame, found.suite.base)
    frame = frame.sort_values(["method", *CELL, *SEEDS], kind="stable", ignore_index=True)
    columns = [column for column in COLUMNS if column in frame]
    return Board(found.suite, with_measured(frame[columns]), tuple(found.submissions), found.stale)


def nothing_planned(suite: str) -> UsageError:
    return UsageError(
        f"suite '{suite}' has no trials in this part of its grid: run them with `unlearnbench run {suite}`"
    )


def known_kinds(engine: Engine, suite: Suite) -> set[OriginalSpec]:
    """The kinds of original on which trials may be planned: those of the suite and those in the store."""
    trainings: tuple[Training, ...] = get_args(Training)
    kinds = {OriginalSpec(*pair) for pair in itertools.product(suite.originals.capacities, trainings)}
    return kinds | set(original_kinds(engine))


def _submissions_of(names: Sequence[str], engine: Engine, found: Current) -> tuple[str, ...]:
    """The keys of the submissions with these labels, and of retraining."""
    kinds = planned_kinds(engine, found.wanted, known_kinds(engine, found.suite))
    keys, methods = dict[str, str](), dict[str, Method]()
    for key, kind in kinds:
        submission, variant = found.submissions[key]
        label = method_label(submission, variant, kind, found.suite.base)
        keys[label], methods[label] = key, Method(submission, variant, kind.capacity, kind.training)
    units = [key for key, (submission, _) in found.submissions.items() if submission == RETRAIN]
    return tuple({keys[find_method(name, methods, found.suite)] for name in names} | set(units))


def find_method(name: str, methods: Mapping[str, Method], suite: Suite) -> str:
    """The label of the method that a person calls by its label, as NAME/VARIANT, or as NAME.

    Several may fit, on other kinds of original or, if there is no default variant, as variants. Then it is the one that
    the suite ranks, on its first kind.

    Args:
        methods: those on the board, by label.

    Raises:
        UsageError: none fits.
    """
    if name in methods:
        return name
    fitting = [
        label
        for label, method in methods.items()
        if name in (method.submission, f"{method.submission}/{method.variant}")
    ]
    if not fitting:
        raise unknown_method(name, methods)
    return min(
        fitting,
        key=lambda label: (
            preference(methods[label].variant, suite.variants),
            methods[label].original != suite.base,
            label,
        ),
    )


def unknown_method(name: str, known: Iterable[str]) -> UsageError:
    return UsageError(unknown("method", name, sorted(known), " in the results"))


def labelled(frame: pd.DataFrame, base: OriginalSpec) -> pd.DataFrame:
    """Add the labels of methods and seeds, `method` and `seed`, to a frame."""
    methods = frame[METHOD].drop_duplicates()
    items = [Method(*row) for row in methods.itertuples(index=False)]
    methods["method"] = [method_label(item.submission, item.variant, item.original, base) for item in items]
    seeds = frame[SEEDS].drop_duplicates()
    seeds["seed"] = [seed_label(Seeds(*row)) for row in seeds.itertuples(index=False)]
    return frame.merge(methods, how="left", on=METHOD).merge(seeds, how="left", on=SEEDS)


def in_every_column(frame: pd.DataFrame, rates: Sequence[float]) -> pd.DataFrame:
    """Repeat trials without a forget set at each of these rates. They count at every rate; `again` marks the copies."""
    once = frame["discovery_rate"] == 0
    copies = [frame[once].assign(discovery_rate=rate, again=rate != rates[0]) for rate in rates]
    return pd.concat([frame[~once].assign(again=False), *copies])


def seeds_of(grid: Suite) -> pd.DataFrame:
    """The seeds of a grid, one row each."""
    seeds = [seed_of(item) for item in grid.seeds]
    return pd.DataFrame([(seed.corruption, seed.training, seed.unlearning) for seed in seeds], columns=SEEDS)


def _completed(frame: pd.DataFrame, grid: Suite) -> pd.DataFrame:
    """The rows of a grid, one per place, with rows for the missing trials of planned seeds."""
    frame = in_every_column(frame, grid.discovery_rates).merge(seeds_of(grid), on=SEEDS)
    in_grid = frame["corruption"].isin(grid.corruptions) & frame["discovery_rate"].isin(grid.discovery_rates)
    frame = _one_a_place(frame[in_grid])
    columns = [*METHOD, "title", "role", "source_hash", "hyperparameters", *SEEDS]
    seeds = frame.drop_duplicates([*METHOD, *SEEDS])[columns]
    cells = pd.DataFrame(list(itertools.product(grid.corruptions, grid.discovery_rates)), columns=CELL)
    rest = frame.drop(columns=[name for name in columns if name not in PLACE])
    frame = seeds.merge(cells, how="cross").merge(rest, how="left", on=PLACE)
    frame["state"] = frame["state"].fillna("missing")
    # What was not planned for a method without a forget set would be one trial for all columns, too.
    blind = frame.groupby([*METHOD, *SEEDS])["again"].transform(lambda again: again.eq(True).any())
    absent = blind & (frame["state"] == "missing") & (frame["discovery_rate"] != grid.discovery_rates[0])
    frame["again"] = frame["again"].eq(True) | absent
    frame["regularity"] = frame["corruption"].map({name: kind_of(name).regularity for name in grid.corruptions})
    recorded = frame["state"] != "missing"
    return frame.assign(whole=recorded.groupby([frame[name] for name in (*METHOD, *SEEDS)]).transform("all"))


def _one_a_place(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep one row per place, of a frame sorted by run as in `runs_of_suite`.

    If a seed was run in several ways (precision, isolation), only one original counts for each corruption: one with
    records that were made here before others, then the one with the most records, then that of the earlier run in the
    frame.
    """
    frame = frame.assign(recorded=frame["state"] != "missing")
    frame = frame.sort_values("recorded", ascending=False, kind="stable").drop_duplicates(["original", *PLACE])
    if frame.duplicated(PLACE).any():
        of_seed = [*METHOD, *SEEDS, "corruption"]
        groups = frame.assign(first=frame["arrival"].where(frame["recorded"])).groupby([*of_seed, "original"])
        frame = frame.assign(records=groups["recorded"].transform("sum"), first=groups["first"].transform("min"))
        frame = frame.sort_values(["first", "records"], ascending=[True, False], kind="stable")  # without records: last
        first = frame.groupby(of_seed)["original"].transform("first")
        frame = frame[frame["original"] == first].drop(columns=["records", "first"])
    return frame.drop(columns=["recorded", "arrival"]).drop_duplicates(PLACE)


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that count in statistics: those of whole seeds."""
    return frame[frame["whole"]]


def runs_of(engine: Engine, frame: pd.DataFrame) -> list[RunRow]:
    """The runs that recorded the trials of a frame, or planned the missing ones; oldest first."""
    return runs_by_key(engine, frame["run"].dropna().unique().tolist())
