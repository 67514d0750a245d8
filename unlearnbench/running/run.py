"""Run a suite: plan its trials, skip stored ones, train missing originals, and run missing trials."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal

import torch

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.cgroup import Enforcement
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import KEPT, HarnessError
from unlearnbench.problems import datasets
from unlearnbench.problems.case import build
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.secret_seeds import SecretSeeds
from unlearnbench.problems.suite import Suite
from unlearnbench.running.executors import Start
from unlearnbench.running.executors.local import local
from unlearnbench.running.originals import obtain, path_of
from unlearnbench.running.plan import PlannedTrial, plan, stages
from unlearnbench.running.remarks import not_absorbed, other_grids, refuse_another, refuse_unsendable, under_way
from unlearnbench.running.rows import original_row, planned_row, problem_rows, submission_row, trial_rows
from unlearnbench.running.setup import pinned
from unlearnbench.running.sharing import attempt_all
from unlearnbench.running.trial import Record
from unlearnbench.store.claims import Claims
from unlearnbench.store.results import Failure, failures
from unlearnbench.store.schema import ProblemRow, RunRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.environments import with_environments
from unlearnbench.submissions.finding import Submission, packages
from unlearnbench.system import machine


@dataclass(frozen=True)
class Progress:
    """Progress of a run.

    Attributes:
        total: number of trials that the store did not have at the start.
        done: those of them that have ended.
        failed: those that ended with a failure here.
        stage: what is under way, and what the run waits for if something is missing.
        message: a warning to show immediately.
    """

    total: int
    done: int
    failed: int
    stage: str
    message: str | None = None


@dataclass(frozen=True)
class RunSummary:
    """Summary of a run.

    Attributes:
        suite: name of the suite.
        planned: number of trials in the plan.
        ran: trials that this harness ran itself. Excludes trials stored earlier, or by another harness meanwhile.
        failed: failed ones of these.
        failures: why trials of the plan failed, here or in an earlier run.
        seconds: duration of the run.
        left_out: what should have run and could not be read, a sentence each.
    """

    run_id: str
    suite: str
    planned: int
    ran: int
    failed: int
    failures: tuple[Failure, ...]
    seconds: float
    overhead: float
    """Fraction of the workers' time not spent on training, unlearning or evaluation."""
    warnings: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def run_suite(
    suite: Suite,
    submissions: Sequence[Submission],
    store: Store,
    data: Path,
    *,
    grid: Suite | None = None,
    retry_failed: bool = False,
    workers: int | None = None,
    originals: Path | None = None,
    download: bool = True,
    isolation: Isolation = "process",
    enforcement: Enforcement | None = None,
    private: Sequence[Path] = (),
    secrets: SecretSeeds | None = None,
    environments: Path | None = None,
    executor: Start = local,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> RunSummary:
    """Run all trials of a suite that are not in the store. Each trial is committed as soon as it ends.

    Several harnesses can share a store. Each trial is run by one of them, and each harness returns when all trials of
    its plan are stored. The order of `plan.stages` holds among all harnesses with the same plan, because a stage ends
    only when all its trials are stored, whoever ran them. It does not hold between different plans, nor for trials
    that are run later.

    Args:
        data: folder of data sets and originals.
        retry_failed: whether trials whose stored record is a failure are run again. Their records are replaced, and
            keep the failure.
        grid: the suite restricted to the part of its grid to run, from `Suite.select`. Default: the whole suite.
        workers: number of concurrent trials. Does not affect results. Default: as many as the executor supports.
        originals: folder of originals, if not in `data`.
        download: whether data sets may be downloaded.
        isolation: isolation level of trials. Does not affect results, but records of different levels have different
            keys.
        enforcement: how the limits of trials are held. Does not affect results. Default: as well as possible.
        private: files and folders that trials must not see, besides the store, the data sets and the originals. At
            level `strict`, a run that would show one of them is refused.
        secrets: the seeds of an audited suite.
        environments: folder of the environments of submissions whose `requires` does not fit that of the harness, which
            are built there, for an executor on this machine. Default: such submissions are refused.
        executor: where trials run. Does not affect results.
        watch: called with the progress of the run.

    Raises:
        UsageError: the suite or data set is invalid, a package that a submission requires is not installed or not
            visible at the isolation level, the level or cluster is unavailable, or an original has other weights than
            the one that stored trials started from.
        HarnessError: the harness failed. Trials stored before remain.
    """
    begin = time.perf_counter()
    if environments is not None:
        told, architecture = (lambda stage: watch(Progress(0, 0, 0, stage))), suite.model.architecture
        submissions = with_environments(submissions, environments, architecture, told)
    versions = machine.versions() | packages(submissions)
    dataset = datasets.load_for(suite, data, download=download)
    now, run_id = _clock(store), uuid.uuid4().hex
    of_other_grids = other_grids(store, suite)
    started_at = now()
    cache = (originals or data / "originals").resolve()  # trials run in another working directory
    secret = [] if secrets is None else [secrets.file]
    boundary = Boundary(isolation, enforcement, [data, cache, *store.files, *secret, *private])
    warnings: list[str] = []
    busy = 0.0
    ran = failed = done = 0
    stage: Literal["originals", "trials"] = "originals"
    waiting: str | None = None

    def report(message: str | None = None) -> None:
        if message is not None:
            warnings.append(message)
        shown = stage if waiting is None else f"{stage}, waiting for {waiting}"
        if stage == "originals" and (samples := place.trained()):
            shown += f": {under_way(samples, to_train, suite.recipe.batch_size, time.monotonic() - training_since)}"
        watch(Progress(len(missing), done, failed, shown, message))

    def meanwhile(claimed: int) -> None:
        """Keep the claims, and say what the run waits for."""
        nonlocal waiting
        claims.beat()
        lacking = place.waiting()
        now_waiting = lacking or (f"{claimed} claimed by other runs" if claimed else None)
        if now_waiting != waiting:
            waiting = now_waiting
            report(None if lacking is None else f"the run waits for {lacking}")
        elif stage == "originals":
            report()

    # On exit the executor kills running trials first, and only then their claims are released.
    with (
        _explained(),
        Claims(store, run_id) as claims,
        executor(suite, submissions, dataset, boundary, workers, partial(pinned, store=store)) as place,
        _pool(place.workers, suite.threads) as pool,
    ):
        setup = place.setup
        trials = plan(setup, dataset, submissions, grid, secrets)
        run = RunRow(
            id=run_id,
            suite=suite.name,
            suite_specification=suite.stored(),
            data_fingerprint=dataset.fingerprint,
            protocol_version=PROTOCOL_VERSION,
            started_at=started_at,
            finished_at=None,
            versions=versions,
            hardware=place.hardware,
            precision=setup.precision,
            isolation=isolation,
            workers=place.workers,
            revision=machine.revision(),
        )
        stored = store.stored_trials([trial.key for trial in trials])
        again = store.failed_trials([*stored]) if retry_failed else {}
        missing = [trial for trial in trials if trial.key not in stored or trial.key in again]
        described = [submission_row(*pair) for pair in {t.submission_key: t.submission for t in trials}.items()]
        refuse_unsendable(run, described)
        store.add([run, *described, *_problem_rows(trials, dataset), *(planned_row(trial, run_id) for trial in trials)])
        store.describe(described)

        def attempt(trial: PlannedTrial) -> Record | Literal["stored"] | None:
            """Run a trial. `stored` if another harness has stored its record, None while another one has claimed it."""
            answer = claims.take(trial.key, again.get(trial.key))
            if answer != "mine":
                return "stored" if answer == "stored" else None
            return place.trial(trial, path_of(cache, trial.original.key))

        for sentence in of_other_grids:
            report(sentence)
        report()
        started_from: dict[str, str] = {}
        needed = list({trial.original.key: trial.original for trial in missing}.values())
        of_one = suite.recipe.steps * suite.recipe.batch_size
        to_train, training_since = len(needed) * of_one, time.monotonic()
        started = attempt_all(
            pool, [[needed]] if needed else [], lambda it: obtain(it, cache, place), meanwhile, workers=place.workers
        )
        for original, (learnt, seconds) in started:
            refuse_another(original, learnt, store.original(original.key))
            if not learnt.absorbed:
                report(not_absorbed(original, learnt))
            to_train -= of_one * (seconds == 0)  # it was in the cache
            started_from[original.key] = learnt.weights_hash
            store.add([original_row(original, learnt, seconds, setup)])
            busy += seconds
        stage = "trials"
        report()
        ended = attempt_all(pool, stages(missing), attempt, meanwhile, workers=place.workers)
        failing: set[str] = set()
        for trial, record in ended:
            done += 1
            message = None
            if isinstance(record, Record):
                row, predicted = trial_rows(trial, record, run_id, started_from[trial.original.key], now(), setup)
                if trial.key in again:
                    store.replace_failure(row, predicted)
                else:
                    store.add([row] if predicted is None else [row, predicted])
                claims.end(trial.key)
                ran += 1
                failed += record.result is None
                name = trial.submission.label
                if record.reason is not None and name not in failing:
                    failing.add(name)
                    message = f"{name} failed: {record.reason} (first failure; see `unlearnbench debug`)"
                busy += (record.seconds or 0.0) + (0.0 if record.result is None else record.result.seconds)
            report(message)
    store.finish_run(run_id, now())
    seconds = time.perf_counter() - begin
    overhead = max(0.0, 1 - busy / (seconds * place.workers))
    return RunSummary(
        run_id, suite.name, len(trials), ran, failed, failures(store.engine, run_id), seconds, overhead, tuple(warnings)
    )


def _problem_rows(trials: Sequence[PlannedTrial], dataset: Dataset) -> Iterator[ProblemRow]:
    """Rows of the problems of these trials. Holds one case in memory at a time."""
    planned = {trial.problem_key: trial for trial in trials}.values()
    for spec, of_case in groupby(planned, lambda trial: trial.problem.case):
        yield from problem_rows(of_case, build(spec, dataset))


@contextmanager
def _pool(workers: int, threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that each wait for a trial. On an error, pending trials are cancelled."""
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads,))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def _explained() -> Iterator[None]:
    """Turn an OSError, such as a full disk, into a HarnessError."""
    try:
        yield
    except OSError as error:
        raise HarnessError(f"{error}; {KEPT}") from error


def _clock(store: Store) -> Callable[[], datetime]:
    """A UTC clock for the run. It reads the wall clock only once, so that setting it changes neither durations nor the
    order of runs.
    """
    start, begin = store.after_all_runs(datetime.now(UTC).replace(tzinfo=None)), time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - begin)
