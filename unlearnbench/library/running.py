"""Functions that run trials, and access to single problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.library.inputs import data_of, discovered, folders, not_as_shipped, secrets_of, suite_of
from unlearnbench.library.shared import DATABASE, GridPlaces, Places, Where, unwatched

if TYPE_CHECKING:
    from unlearnbench.boundary.cgroup import Enforcement
    from unlearnbench.boundary.isolation import Isolation
    from unlearnbench.contract.method import Problem
    from unlearnbench.problems.suite import Training
    from unlearnbench.running.executors import Start
    from unlearnbench.running.run import Progress, RunSummary
    from unlearnbench.tuning.tries import Rule, Try
    from unlearnbench.tuning.tune import Sampler
    from unlearnbench.verify.check import Check
    from unlearnbench.verify.debug import Debugged
    from unlearnbench.verify.rerun import Field


def run(
    suite: Where,
    methods: Sequence[str] = (),
    *,
    retry_failed: bool = False,
    workers: int | None = None,
    isolation: Isolation = "process",
    limits: Enforcement | None = None,
    seeds_from: Where | None = None,
    environments: bool = False,
    executor: Start | None = None,
    download: bool = True,
    watch: Callable[[Progress], None] = unwatched,
    **places: Unpack[GridPlaces],
) -> RunSummary:
    """Run the trials of a suite that are not stored yet; each record is stored as soon as its trial ends.

    Args:
        methods: default: those of the suite. Broken submissions among these are left out, with a warning; a broken one
            that is named here raises.
        retry_failed: also run trials again whose stored record is a failure; the new record keeps it.
        workers: trials at a time; default: as many as the cores allow.
        isolation: `process`, or `strict` (Linux): also no network and no other files.
        limits: `enforced` by the kernel, or `counted`; default: enforced where a control group was delegated.
        seeds_from: file of secret seeds, for an audited board; needs `strict`. `seeds` are then their numbers, from 1.
        environments: build one for each submission whose `requires` does not fit the harness's (CONTRIBUTING.md).
        executor: where trials run; default: this machine. For Ray see docs/cluster.md.
        watch: called with the progress, about once per trial.
    """
    from unlearnbench.running.executors.local import local
    from unlearnbench.running.run import Progress, run_suite
    from unlearnbench.store.store import Store
    from unlearnbench.submissions.choosing import choose_for

    if environments and executor is not None:
        raise UsageError(
            "--environments builds on this machine, and the nodes of a cluster would not have what it builds: run"
            " without --executor, or install what the submissions require on all nodes"
        )
    written, secrets = suite_of(suite, places), secrets_of(seeds_from)
    grid = written if secrets is None else secrets.of(written)
    chosen, left_out = choose_for(grid, discovered(places), methods)
    if not chosen:
        raise UsageError(
            f"no submissions in {folders('submissions', places)[0]}: choose another folder, or create one with"
            " `unlearnbench new NAME`"
        )
    lines = tuple(f"left out: {name}: {why}" for name, why in left_out.items())
    for line in lines:
        watch(Progress(0, 0, 0, "starting", line))
    notes = not_as_shipped(written, chosen)
    part = grid.select(places.get("seeds", ()), places.get("rates", ()), places.get("corruptions", ()))
    with Store(str(places.get("database", DATABASE))) as store:
        summary = run_suite(
            grid,
            chosen,
            store,
            data_of(places),
            grid=part,
            retry_failed=retry_failed,
            workers=workers,
            download=download,
            isolation=isolation,
            enforcement=limits,
            private=[*folders("suites", places), *folders("submissions", places)],
            secrets=secrets,
            environments=_environments(places, environments),
            executor=local if executor is None else executor,
            watch=watch,
        )
    return replace(summary, warnings=(*notes, *summary.warnings), left_out=lines)


def problem(
    suite: Where,
    *,
    corruption: str,
    rate: float,
    seed: int = 0,
    capacity: float | None = None,
    training: Training | None = None,
    download: bool = True,
    **places: Unpack[Places],
) -> Problem:
    """Build one problem of a suite in this process, as a submission sees it: `MyMethod().unlearn(problem)`.

    The original model is taken from the cache, or trained and cached. Unlike a trial, this sets no global seeds, no
    autocast and no limits.

    Args:
        seed: one of the suite's seeds.
        capacity, training: the kind of original model; default: the suite's first.
    """
    from unlearnbench.boundary.boundary import Boundary
    from unlearnbench.boundary.problem import make_problem
    from unlearnbench.problems.datasets import load_for
    from unlearnbench.problems.grid import problems
    from unlearnbench.problems.streams import stream
    from unlearnbench.problems.suite import OriginalSpec
    from unlearnbench.running.executors.local import local
    from unlearnbench.running.originals import obtain, path_of
    from unlearnbench.running.plan import plan_original

    grid, data = suite_of(suite, places), data_of(places)
    dataset = load_for(grid, data, download=download)
    kind = OriginalSpec(capacity or grid.originals.capacities[0], training or grid.originals.trainings[0])
    spec, seeds = list(problems(grid.select([seed], [rate], [corruption]), dataset))[-1]  # the first has rate 0
    cache = (data / "originals").resolve()
    with local(grid, (), dataset, Boundary(), 1) as executor:
        original = plan_original(executor.setup, spec.case, kind, seeds.training)
        if obtain(original, cache, executor) is None:
            raise HarnessError(f"another harness is training {original.label}: try again when it is done")
        case = executor.case(spec.case)
        request = executor.setup.request(
            case,
            kind,
            entry="",
            seed=stream(seeds.unlearning, "unlearning"),
            forget=spec.found(case.truth),
        )
        return make_problem(replace(request, original=str(path_of(cache, original.key))))


def debug(
    method: str,
    suite: Where = "digits",
    *,
    corruption: str,
    rate: float,
    seed: int = 0,
    download: bool = True,
    **places: Unpack[Places],
) -> Debugged:
    """Run one trial in this process, where `print` and `breakpoint()` work, without limits; stores no result.

    The original model is taken from the cache, or trained and cached.
    """
    from unlearnbench.submissions.choosing import choose
    from unlearnbench.verify.debug import debug as run_here

    grid, found = suite_of(suite, places), discovered(places)
    submission = choose(found, [method], broken=found.broken)[0]
    return run_here(grid, grid.select([seed], [rate], [corruption]), submission, data_of(places), download=download)


def tune(
    method: str,
    suite: Where = "digits",
    *,
    rule: Rule = "blind",
    sampler: Sampler = "tpe",
    isolation: Isolation = "process",
    environments: bool = False,
    retry_failed: bool = False,
    watch: Callable[[Progress], None] = unwatched,
    **places: Unpack[Places],
) -> list[Try]:
    """Search the hyperparameters of a method on the suite's tuning seeds; returns all tries, best first.

    Args:
        rule: `blind` chooses by what a method may see, `oracle` by true labels; an oracle's choice is never ranked.
        isolation, environments, retry_failed: as in `run`.
    """
    from unlearnbench.store.store import Store
    from unlearnbench.submissions.choosing import choose
    from unlearnbench.tuning.tune import check_tunable
    from unlearnbench.tuning.tune import tune as search

    grid, found = suite_of(suite, places), discovered(places)
    start = choose(found, [method], broken=found.broken)[0]
    data, built = data_of(places), _environments(places, environments)
    check_tunable(start)
    with Store(str(places.get("database", DATABASE))) as store:
        return search(
            grid,
            start,
            store,
            data,
            rule=rule,
            sampler=sampler,
            isolation=isolation,
            environments=built,
            retry_failed=retry_failed,
            watch=watch,
        )


def rerun(
    trial: str,
    *,
    isolation: Isolation | None = None,
    seeds_from: Where | None = None,
    environments: bool = False,
    download: bool = True,
    watch: Callable[[Progress], None] = unwatched,
    **places: Unpack[Places],
) -> list[Field]:
    """Rerun the stored trial whose key is, or uniquely starts with, `trial`; returns its fields, stored and rerun.

    Args:
        isolation: level to run it at; default: that of its record.
        seeds_from: file of secret seeds, for a trial of an audited board.
        environments: as in `run`; `watch` is called when one is built.
    """
    from unlearnbench.store.store import Store
    from unlearnbench.verify.rerun import rerun as run_again

    with Store(str(places.get("database", DATABASE)), create=False) as store:
        return run_again(
            store,
            trial,
            folders("submissions", places),
            data_of(places),
            isolation=isolation,
            secrets=secrets_of(seeds_from),
            environments=_environments(places, environments),
            download=download,
            watch=watch,
        )


def check(
    against: Where,
    suite: Where | None = None,
    methods: Sequence[str] = (),
    *,
    cost_factor: float = 2.0,
    run: bool = True,
    workers: int | None = None,
    isolation: Isolation = "process",
    seeds_from: Where | None = None,
    download: bool = True,
    watch: Callable[[Progress], None] = unwatched,
    **places: Unpack[Places],
) -> tuple[Check, list[str]]:
    """Compare a suite with a baseline; returns the findings and notes on the run.

    Without `database`, a run uses a temporary store.

    Args:
        against: trials.csv of a leaderboard, or a file written by `baseline`.
        suite: default: the baseline's.
        cost_factor: a cost that grew by more than this factor is a regression.
        run: run the suite; if False, compare stored results.
        isolation, seeds_from: as in `run`.
    """
    from unlearnbench.verify.checking import check_by_running, check_stored

    name, suites = None if suite is None else str(suite), folders("suites", places)
    database, secrets = places.get("database"), secrets_of(seeds_from)
    if not run:
        store = DATABASE if database is None else str(database)
        return check_stored(Path(against), methods, store, suite=name, suites=suites, cost_factor=cost_factor), []
    return check_by_running(
        Path(against),
        methods,
        None if database is None else str(database),
        suite=name,
        suites=suites,
        submissions=folders("submissions", places),
        data=data_of(places),
        cost_factor=cost_factor,
        workers=workers,
        isolation=isolation,
        secrets=secrets,
        download=download,
        watch=watch,
    )


def _environments(places: Places | GridPlaces, wanted: bool) -> Path | None:
    return data_of(places) / "environments" if wanted else None
