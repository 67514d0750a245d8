"""Check a suite against a baseline, by running it or from a store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import UsageError, unknown
from unlearnbench.problems.secret_seeds import SecretSeeds
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import find, parse
from unlearnbench.running.run import Progress, run_suite
from unlearnbench.store.store import Store
from unlearnbench.submissions.choosing import choose, refuse_broken
from unlearnbench.submissions.finding import Submission, discover
from unlearnbench.verify.baseline import read, records, select_methods
from unlearnbench.verify.check import Check, compare

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_stored(
    against: Path,
    methods: Sequence[str],
    database: str,
    *,
    suite: str | None,
    suites: Sequence[Path],
    cost_factor: float,
) -> Check:
    """Compare stored records with a baseline; runs nothing.

    Raises:
        UsageError: the file is no baseline, the baseline is of another suite, or neither side has one of the methods.
    """
    before = read(against)
    if suite is not None:
        _grid_of(before, against, suite, suites, None)
    with Store(database, create=False) as store:
        after = records(store.engine, _measured(before))
    for name in methods:
        if select_methods(before, [name]).empty and select_methods(after, [name]).empty:
            raise UsageError(unknown("method", name, sorted({*before["method"], *after["method"]})))
    return compare(select_methods(before, methods), select_methods(after, methods), cost_factor=cost_factor)


def check_by_running(
    against: Path,
    methods: Sequence[str],
    database: str | None,
    *,
    suite: str | None,
    suites: Sequence[Path],
    submissions: Sequence[Path],
    data: Path,
    cost_factor: float,
    workers: int | None,
    isolation: Isolation,
    secrets: SecretSeeds | None,
    download: bool,
    watch: Callable[[Progress], None],
) -> tuple[Check, list[str]]:
    """Run the seeds of a baseline and compare; returns the check and notes on the run.

    Args:
        database: store that keeps the results; None for a temporary one with its own originals, so everything is run.

    Raises:
        UsageError: the file is no baseline, the baseline is of another suite, or a method is unknown.
    """
    before = read(against)
    grid = _grid_of(before, against, suite, suites, secrets)
    available = discover(*submissions)
    if not (available.submissions or available.broken):
        raise UsageError(f"no submissions in {submissions[0]}: choose another folder with --submissions")
    refuse_broken(methods, available.broken)
    chosen = _to_run(available.submissions, before, methods, grid.variants)
    notes = [f"left out: {name}: {why}" for name, why in available.broken.items() if not methods]
    for note in notes:  # those of the baseline are also regressions: they are gone
        watch(Progress(0, 0, 0, "starting", note))
    part = grid.select(seeds=sorted(set(before["corruption_seed"])))
    after = before.iloc[:0]  # no records if all methods are gone
    with _store(database) as (store, originals):
        if chosen:
            ran = run_suite(
                grid,
                chosen,
                store,
                data,
                grid=part,
                originals=originals,
                workers=workers,
                isolation=isolation,
                secrets=secrets,
                download=download,
                watch=watch,
            )
            after = records(store.engine, grid.name, ran.run_id)
            if stored := ran.planned - ran.ran:
                notes.append(
                    f"{stored} of {ran.planned} trials were stored already: they do not test the current harness"
                )
    compared = compare(select_methods(before, methods), select_methods(after, methods), cost_factor=cost_factor)
    return compared, notes


@contextmanager
def _store(database: str | None) -> Iterator[tuple[Store, Path | None]]:
    """The store, and the folder of originals; None for the usual cache."""
    if database is not None:
        with Store(database) as store:
            yield store, None
        return
    with tempfile.TemporaryDirectory(prefix="unlearnbench-check-") as fresh, Store(f"{fresh}/store.db") as store:
        yield store, Path(fresh) / "originals"


def _measured(before: pd.DataFrame) -> str:
    """The name of the suite of a baseline."""
    return str(before["suite"].iloc[0])


def _grid_of(
    before: pd.DataFrame, against: Path, suite: str | None, suites: Sequence[Path], secrets: SecretSeeds | None
) -> Suite:
    """The suite of a baseline; refuses another one than was asked for."""
    measured = _measured(before)
    if suite is None:
        suite = measured if secrets is None else measured.removesuffix(secrets.suffix)
    grid = parse(find(suite, *suites))
    grid = grid if secrets is None else secrets.of(grid)
    if grid.name != measured:
        raise UsageError(
            f"{against} is a baseline of suite '{measured}', not of '{grid.name}': use one of '{grid.name}'"
        )
    return grid


def _to_run(
    available: Sequence[Submission], before: pd.DataFrame, names: Sequence[str], variants: Sequence[str]
) -> list[Submission]:
    """The chosen submissions and all variants of them in the baseline, by default all of it, as far as they exist."""
    there = {item.name for item in available} | {f"{item.name}/{item.variant}" for item in available}
    wanted = [name for name in names if name in there or select_methods(before, [name]).empty]
    chosen = choose(available, wanted, variants) if wanted else []
    asked = select_methods(before, names)
    measured = set(zip(asked["submission"], asked["variant"], strict=True))
    return [item for item in available if item in chosen or (item.name, item.variant) in measured]
