"""The library: what the command line does, as Python calls. All of them are imported from `unlearnbench` itself.

    import unlearnbench

    unlearnbench.run("digits", methods=["rem"], seeds=[0])
    unlearnbench.ranking("digits")

Arguments that the calls share:

    suite        name of a suite, or path of a suite file
    methods      names of submissions, or NAME/VARIANT
    seeds, rates, corruptions
                 the part of the suite's grid that is meant; all of an axis for which nothing is given
    database     the store: a SQLAlchemy URL or an SQLite file
    data         folder for data sets and original models
    submissions  folder of submissions
    suites       folder of suite files

What is wrong with them raises a `UsageError`, one sentence; what the harness does wrong, a `HarnessError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unlearnbench.errors import HarnessError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from unlearnbench.boundary.isolation import Isolation
    from unlearnbench.contract.method import Problem
    from unlearnbench.problems.suite import Training
    from unlearnbench.report.numbers.board import Board
    from unlearnbench.report.numbers.standings import Standings
    from unlearnbench.running.executors import Start
    from unlearnbench.running.run import Progress, RunSummary
    from unlearnbench.tuning.tries import Rule, Try
    from unlearnbench.tuning.tune import Sampler
    from unlearnbench.verify.check import Comparison as Check
    from unlearnbench.verify.rerun import Comparison

DATABASE = "sqlite:///data/unlearnbench.db"

Where = str | Path


def _ignore(progress: Progress) -> None:
    pass


def run(
    suite: Where,
    methods: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    database: Where = DATABASE,
    data: Where = "data",
    submissions: Where = "submissions",
    suites: Where = "suites",
    workers: int | None = None,
    isolation: Isolation = "process",
    executor: Start | None = None,
    download: bool = True,
    watch: Callable[[Progress], None] = _ignore,
) -> RunSummary:
    """Run the trials of a suite that are not stored yet; each record is stored as its trial ends.

    Args:
        methods: by default those of the suite.
        workers: trials at a time; by default as many as the cores allow.
        isolation: `process`, or `strict` (Linux): also no network and no other files.
        executor: where trials run; this machine by default. docs/cluster.md has Ray's.
        watch: called with the progress, about once per trial.
    """
    from unlearnbench.problems.suite_file import find, parse
    from unlearnbench.running.executors.local import local
    from unlearnbench.running.run import run_suite
    from unlearnbench.store.store import Store
    from unlearnbench.submissions.finding import choose, discover

    grid = parse(find(str(suite), Path(suites)))
    chosen = choose(discover(Path(submissions)), methods or grid.methods, grid.variants)
    if not chosen:
        raise UsageError(f"no submissions in {submissions}: name another folder, or make one with `unlearnbench new`")
    with Store(str(database)) as store:
        return run_suite(
            grid,
            chosen,
            store,
            Path(data),
            part=grid.part(seeds, rates, corruptions),
            workers=workers,
            download=download,
            isolation=isolation,
            executor=local if executor is None else executor,
            watch=watch,
        )


def problem(
    suite: Where,
    *,
    corruption: str,
    rate: float,
    seed: int = 0,
    capacity: float | None = None,
    training: Training | None = None,
    data: Where = "data",
    suites: Where = "suites",
    download: bool = True,
) -> Problem:
    """One problem of a suite in this process, as a submission sees it: `MyMethod().unlearn(problem)`.

    Its original model is taken from the cache, or trained and cached as `run` does. A trial also seeds the global
    generators, runs inside the suite's autocast and keeps to limits; what is called here does not.

    Args:
        seed: one of the suite's.
        capacity, training: the kind of original model; by default the suite's first.
    """
    from unlearnbench.boundary.problem import make_problem
    from unlearnbench.problems.datasets import load_for
    from unlearnbench.problems.grid import problems
    from unlearnbench.problems.streams import stream
    from unlearnbench.problems.suite import OriginalSpec
    from unlearnbench.problems.suite_file import find, parse
    from unlearnbench.running.executors.local import local
    from unlearnbench.running.originals import obtain, path_of
    from unlearnbench.running.plan import plan_original

    grid = parse(find(str(suite), Path(suites)))
    dataset = load_for(grid, Path(data), download=download)
    kinds = grid.originals
    kind = OriginalSpec(capacity or kinds.capacities[0], training or kinds.trainings[0])
    spec, seeds = list(problems(grid.part([seed], [rate], [corruption]), dataset))[-1]  # the first is of rate 0
    cache = (Path(data) / "originals").resolve()
    with local(grid, dataset, "process", 1) as executor:
        original = plan_original(executor.setup, spec.case, kind, seeds.training)
        if obtain(original, cache, executor) is None:
            raise HarnessError(f"another harness is training {original.label}: try again when it is done")
        case = executor.case(spec.case)
        request = executor.setup.request(
            case,
            kind,
            entry="",
            seed=stream(seeds.unlearning, "unlearning"),
            forget=spec.forget_positions(case.truth.corrupted),
        )
        return make_problem(replace(request, original=str(path_of(cache, original.key))))


def board(
    suite: str,
    methods: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    isolation: Isolation = "process",
    database: Where = DATABASE,
    suites: Where = "suites",
) -> Board:
    """The trials of a suite that count, and which stored ones are stale; what figures and pages are made from.

    Args:
        methods: only these, as they are called in the ranking, and retraining; all by default.
        isolation: records of a lower level count as missing.
    """
    from unlearnbench.report.numbers.board import Part, read_board
    from unlearnbench.store.store import Store

    part = Part(tuple(seeds), tuple(rates), tuple(corruptions))
    with Store(str(database), create=False) as store:
        return read_board(
            store.engine, suite, suites=Path(suites), part=part, isolation=isolation, methods=tuple(methods)
        )


def standings(
    suite: str,
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    database: Where = DATABASE,
    suites: Where = "suites",
) -> Standings:
    """A board without its single trials: what a ranking is made from, also of a store of millions of them."""
    from unlearnbench.report.numbers.board import Part
    from unlearnbench.report.numbers.standings import read_standings
    from unlearnbench.store.store import Store

    part = Part(tuple(seeds), tuple(rates), tuple(corruptions))
    with Store(str(database), create=False) as store:
        return read_standings(store.engine, suite, suites=Path(suites), part=part)


def results(
    suite: str,
    methods: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    database: Where = DATABASE,
    suites: Where = "suites",
) -> pd.DataFrame:
    """One row per trial on the board of a suite, with the columns of trials.csv (docs/store.md)."""
    from unlearnbench.report.numbers.table import table_of
    from unlearnbench.store.store import Store

    chosen = {"seeds": seeds, "rates": rates, "corruptions": corruptions}
    found = board(suite, methods, **chosen, database=database, suites=suites)
    with Store(str(database), create=False) as store:
        return table_of(store.engine, found)


def ranking(
    suite: str,
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    database: Where = DATABASE,
    suites: Where = "suites",
) -> pd.DataFrame:
    """One row per method, best first: means over whole seeds in percent, their intervals, and the ranks it can have."""
    from unlearnbench.report.numbers.ranking import ranking_of

    chosen = {"seeds": seeds, "rates": rates, "corruptions": corruptions}
    found = standings(suite, **chosen, database=database, suites=suites)
    return ranking_of(found.totals, found.suite.variants)


def compare(
    first: str, second: str, suite: str = "digits", *, database: Where = DATABASE, suites: Where = "suites"
) -> pd.DataFrame:
    """First minus second in percentage points, overall, per corruption and per cell, with 95% intervals over seeds."""
    from unlearnbench.report.numbers.comparison import comparison

    return comparison(board(suite, (first, second), database=database, suites=suites).frame, first, second)


def leaderboard(
    suite: str,
    out: Where,
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    isolation: Isolation = "process",
    database: Where = DATABASE,
    suites: Where = "suites",
) -> list[Path]:
    """Write figures, tables, trials.csv and a static site to a folder; returns the files."""
    from unlearnbench.report.leaderboard import write_leaderboard
    from unlearnbench.store.store import Store

    chosen = {"seeds": seeds, "rates": rates, "corruptions": corruptions}
    found = board(suite, **chosen, isolation=isolation, database=database, suites=suites)
    with Store(str(database), create=False) as store:
        return write_leaderboard(store.engine, found, Path(out), isolation=isolation)
