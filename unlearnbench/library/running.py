"""The calls that run trials, or hold one problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.library.shared import DATABASE, Where

if TYPE_CHECKING:
    from unlearnbench.boundary.isolation import Isolation
    from unlearnbench.contract.method import Problem
    from unlearnbench.problems.suite import Training
    from unlearnbench.running.executors import Start
    from unlearnbench.running.originals_files import Imported
    from unlearnbench.running.run import Progress, RunSummary
    from unlearnbench.tuning.tries import Rule, Try
    from unlearnbench.tuning.tune import Sampler
    from unlearnbench.verify.check import Check
    from unlearnbench.verify.rerun import Field


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
            part=grid.select(seeds, rates, corruptions),
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
    spec, seeds = list(problems(grid.select([seed], [rate], [corruption]), dataset))[-1]  # the first is of rate 0
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


def tune(
    method: str,
    suite: Where = "digits",
    *,
    rule: Rule = "blind",
    sampler: Sampler = "tpe",
    database: Where = DATABASE,
    data: Where = "data",
    submissions: Where = "submissions",
    suites: Where = "suites",
    watch: Callable[[Progress], None] = _ignore,
) -> list[Try]:
    """Search the hyperparameters of a method on the suite's tuning seeds; all tries, the best first.

    Args:
        rule: `blind` uses what a method may see; `oracle` uses true labels, and what it chooses is never ranked.
    """
    from unlearnbench.problems.suite_file import find, parse
    from unlearnbench.store.store import Store
    from unlearnbench.submissions.finding import choose, discover
    from unlearnbench.tuning.tune import tune as search

    start = choose(discover(Path(submissions)), [method])[0]
    grid = parse(find(str(suite), Path(suites)))
    with Store(str(database)) as store:
        return search(grid, start, store, Path(data), rule=rule, sampler=sampler, watch=watch)


def rerun(
    trial: str,
    *,
    database: Where = DATABASE,
    data: Where = "data",
    submissions: Where = "submissions",
    download: bool = True,
) -> list[Field]:
    """Run the stored trial with this key, or the only one whose key begins so, again; its fields, stored and now."""
    from unlearnbench.store.store import Store
    from unlearnbench.verify.rerun import rerun as run_again

    with Store(str(database), create=False) as store:
        return run_again(store, trial, Path(submissions), Path(data), download=download)


def check(
    against: Where,
    suite: Where | None = None,
    methods: Sequence[str] = (),
    *,
    cost_factor: float = 2.0,
    run: bool = True,
    database: Where | None = None,
    data: Where = "data",
    submissions: Where = "submissions",
    suites: Where = "suites",
    workers: int | None = None,
    download: bool = True,
    watch: Callable[[Progress], None] = _ignore,
) -> tuple[Check, list[str]]:
    """Compare a suite with a baseline: the findings, and what a reader must know of the run.

    Args:
        against: trials.csv of a leaderboard, or a file that `baseline` wrote.
        suite: by default that of the baseline.
        cost_factor: a cost that grew by more than this factor is a regression.
        run: run the suite; if not, compare what is stored.
        database: by default a temporary store with `run`, else the usual one.
    """
    from unlearnbench.verify.checking import check_by_running, check_stored

    name = None if suite is None else str(suite)
    if not run:
        stored = check_stored(
            Path(against),
            methods,
            str(database or DATABASE),
            suite=name,
            suites=Path(suites),
            cost_factor=cost_factor,
        )
        return stored, []
    return check_by_running(
        Path(against),
        methods,
        None if database is None else str(database),
        submissions=Path(submissions),
        data=Path(data),
        workers=workers,
        download=download,
        watch=watch,
        suite=name,
        suites=Path(suites),
        cost_factor=cost_factor,
    )


def import_originals(folder: Where, *, database: Where = DATABASE, data: Where = "data") -> Imported:
    """Put exported original models into the cache, so that trials that run here start from the same weights."""
    from unlearnbench.running.originals_files import import_into, stored_hashes

    return import_into(Path(data) / "originals", Path(folder), stored_hashes(str(database)))
