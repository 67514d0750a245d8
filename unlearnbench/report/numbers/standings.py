"""The totals of a board, summed by the database without reading single trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine

from unlearnbench.problems.suite import Suite
from unlearnbench.report.numbers.board import (
    SEEDS,
    WHOLE,
    Selection,
    in_every_column,
    known_kinds,
    labelled,
    most_seeds,
    nothing_planned,
    read_board,
    seeds_of,
)
from unlearnbench.report.numbers.current import Current, Stale, current
from unlearnbench.report.numbers.totals import COUNTS, GROUP, ORACLE, REFERENCE, bars, beyond
from unlearnbench.store.trials import (
    SUMS,
    Context,
    planned_kinds,
    planned_seeds,
    read_context,
    read_healed,
    read_sums,
)

OF_SEED = ["submission_key", "capacity", "training", *SEEDS]


@dataclass(frozen=True)
class Standings:
    """A board without its trials: `totals` are those of `report.numbers.totals`."""

    suite: Suite
    totals: pd.DataFrame = field(repr=False)
    stale: tuple[Stale, ...]

    @property
    def seeds(self) -> int:
        return most_seeds(self.totals)


def read_standings(
    engine: Engine, name: str, *, suites: Sequence[Path] = (), selection: Selection = WHOLE
) -> Standings:
    """Read the standings of a suite from a store, over the same records as `read_board`.

    Raises:
        UsageError: as `read_board`.
    """
    found = current(engine, name, suites, "process")
    # If a trial may have been run in two ways, choosing one of them needs the single trials.
    totals = _summed(engine, found, selection.of(found.suite)) if len(found.levels) == 1 else None
    if totals is None:
        board = read_board(engine, name, suites=suites, selection=selection)
        return Standings(board.suite, board.totals, board.stale)
    if totals.empty:
        raise nothing_planned(name)
    return Standings(found.suite, totals, found.stale)


def _summed(engine: Engine, found: Current, grid: Suite) -> pd.DataFrame | None:
    """The totals; None if a method started from several originals under one corruption and seed."""
    context = read_context(engine)
    sums = context.beside(read_sums(engine, found.wanted, grid, context))
    place = [*OF_SEED, "corruption"]
    if sums["capacity"].isna().any() or sums.duplicated(place).any():
        return None
    seeds = _planned(engine, found, grid, sums).join(context.submissions, on="submission_key")
    seeds = labelled(seeds, found.suite.base).sort_values(["method", *SEEDS], kind="stable")
    rows = seeds.merge(pd.DataFrame({"corruption": grid.corruptions}), how="cross")
    values = ["recorded", "failed", "best", *SUMS, *(f"{name}_count" for name in SUMS)]
    sums = sums[[*place, "started", *values]].astype({"started": object})
    totals = rows.merge(sums, how="left", on=place).fillna({"started": "", **dict.fromkeys(values, 0)})
    totals["trials"] = totals.pop("blind").map({True: 1, False: len(grid.discovery_rates)})
    whole = (totals["recorded"] == totals["trials"]).to_numpy().reshape(-1, len(grid.corruptions)).all(axis=1)
    totals["whole"] = whole.repeat(len(grid.corruptions))
    totals["beyond"] = _beyond(engine, found, grid, totals, context)
    return totals.astype(dict.fromkeys(COUNTS, "int64"))


def _planned(engine: Engine, found: Current, grid: Suite, sums: pd.DataFrame) -> pd.DataFrame:
    """The seeds of the grid of which something was planned, for each submission and kind of original, and whether it
    uses no forget set (`blind`)."""
    kinds = planned_kinds(engine, found.wanted, known_kinds(engine, found.suite))
    asked = pd.DataFrame([(key, kind.capacity, kind.training) for key, kind in kinds], columns=OF_SEED[:3]).merge(
        seeds_of(grid), how="cross"
    )
    recorded = sums[[*OF_SEED, "discovery_rate"]].drop_duplicates(OF_SEED)
    seeds = asked.merge(recorded, how="left", on=OF_SEED)
    lacking = seeds["discovery_rate"].isna()
    if lacking.any():  # nothing is recorded of these, so their plan has to be read
        planned = planned_seeds(engine, found.wanted, set(seeds.loc[lacking, "submission_key"]), grid)
        rest = seeds.loc[lacking, OF_SEED].merge(planned, on=OF_SEED)
        seeds = pd.concat([seeds[~lacking], rest], ignore_index=True)
    return seeds.assign(blind=seeds.pop("discovery_rate") == 0)


def _beyond(engine: Engine, found: Current, grid: Suite, totals: pd.DataFrame, context: Context) -> pd.Series[int]:
    """The number of trials beyond the oracle for each row of the totals."""

    def read(submissions: set[str], above: float) -> Iterator[pd.DataFrame]:
        for part in read_healed(engine, replace(found.wanted, submissions=tuple(submissions)), above):
            frame = context.beside(part).join(context.submissions, on="submission_key")
            yield in_every_column(labelled(frame, found.suite.base), grid.discovery_rates).assign(state="finished")

    units = {key for key, (submission, _) in found.submissions.items() if submission == ORACLE}
    counts = pd.Series(0, index=totals.index)
    oracle = [part for part in read(units, -1.0) if len(part)] if units else []
    if not oracle:
        return counts
    place, table = ["corruption", "seed", "capacity"], bars(pd.concat(oracle))
    lowest = table.groupby(place)["bar"].min().rename("lowest")
    over = totals.loc[totals["role"] != REFERENCE, ["submission_key", "best", *place]].join(lowest, on=place)
    over = over[over["best"] > over["lowest"]]
    if over.empty:
        return counts
    # Read single trials only where some may be beyond the oracle.
    parts = [beyond(part, table)[GROUP] for part in read(set(over["submission_key"]), over["lowest"].min())]
    sizes = pd.concat(parts).groupby(GROUP).size().rename("beyond")
    return totals[GROUP].join(sizes, on=GROUP)["beyond"].fillna(0)
