"""Run a suite: plan it, see what is stored, train the originals that are missing, run the trials that are missing."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import torch

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.problems import datasets
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.suite import Suite
from unlearnbench.running.executors import Start
from unlearnbench.running.executors.local import local
from unlearnbench.running.originals import original, path_of
from unlearnbench.running.plan import PlannedTrial, plan
from unlearnbench.running.sharing import rounds
from unlearnbench.running.trial import problem_row
from unlearnbench.running.world import World
from unlearnbench.store.claims import Claims
from unlearnbench.store.schema import Base, OriginalRow, PlannedTrialRow, RunRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission
from unlearnbench.system import machine


@dataclass(frozen=True)
class Progress:
    """Trials done (failed ones among them) of those that were missing; `message` is a warning to show at once."""

    total: int
    done: int
    failed: int
    stage: str
    message: str | None = None


@dataclass(frozen=True)
class RunSummary:
    """`ran` counts the trials that this harness ran, not what was stored before or by another one meanwhile."""

    run_id: str
    planned: int
    ran: int
    failed: int
    seconds: float
    overhead: float
    """Share of the workers' time that was neither training, unlearning nor evaluation."""
    warnings: tuple[str, ...]


def run_suite(
    suite: Suite,
    submissions: Sequence[Submission],
    store: Store,
    data: Path,
    *,
    part: Suite | None = None,
    workers: int | None = None,
    originals: Path | None = None,
    download: bool = True,
    isolation: Isolation = "process",
    executor: Start = local,
    watch: Callable[[Progress], None] | None = None,
) -> RunSummary:
    """Run what the store does not hold of this suite for these submissions; each trial is committed as it ends.

    Several harnesses may do this at once on one store: each trial is run by one of them, and all return when all
    trials are stored.

    Args:
        data: where data sets and originals are kept.
        part: the suite with the part of its grid that is run (`Suite.part`); all of it by default.
        workers: trials at once; a trial's result does not depend on it. By default as many as the executor can.
        originals: where originals are kept instead.
        isolation: how trials are kept from the rest of the machine; results do not depend on it either, but what was
            run at one level is not taken for a record of another.
        executor: where trials run; results do not depend on that either.

    Raises:
        UsageError: a data set or suite that cannot be used, a level of isolation or a cluster that is not there, or an
            original that came out with other weights than the stored trials of its seed started from.
        HarnessError: the harness failed; what was stored before stays.
    """
    begin = time.perf_counter()
    watch = watch or (lambda progress: None)
    dataset = datasets.load(
        suite.dataset,
        data,
        image_size=suite.image_size,
        train_size=suite.train_size,
        test_size=suite.test_size,
        download=download,
    )
    now, run_id = _clock(store), uuid.uuid4().hex
    started_at = now()
    warnings: list[str] = []
    busy = 0.0
    ran = failed = 0
    cache = (originals or data / "originals").resolve()  # a trial has another working folder

    def report(stage: str, done: int, message: str | None = None) -> None:
        if message is not None:
            warnings.append(message)
        watch(Progress(len(missing), done, failed, stage, message))

    # The executor is left first: it kills what still runs; then the claims on that end.
    with _explained(), Claims(store, run_id) as claims, executor(suite, isolation, workers) as place:
        device, precision, workers = place.device, place.precision, place.workers
        trials = plan(part or suite, dataset, submissions, precision=precision, device=device, isolation=isolation)
        run = RunRow(
            id=run_id,
            suite=suite.name,
            suite_specification=asdict(suite),
            data_fingerprint=dataset.fingerprint,
            protocol_version=PROTOCOL_VERSION,
            started_at=started_at,
            finished_at=None,
            versions=machine.versions(),
            hardware=place.hardware,
            precision=precision,
            isolation=isolation,
            workers=workers,
            revision=machine.revision(),
        )
        stored = store.stored_trials([trial.key for trial in trials])
        missing = [trial for trial in trials if trial.key not in stored]
        worlds: dict[str, World] = {}
        for trial in trials:
            if trial.original_key not in worlds:
                worlds[trial.original_key] = World(
                    suite, dataset, trial.problem, trial.original, trial.seeds, precision, device, place.folder
                )
        described = _submission_rows(trials)
        rows: list[Base] = [run, *described]
        rows += {trial.problem_key: problem_row(trial, worlds[trial.original_key]) for trial in trials}.values()
        store.add([*rows, *(_planned(trial, run_id) for trial in trials)])
        store.describe(described)
        pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(suite.threads,))

        def train(key: str) -> OriginalRow | None:
            return original(worlds[key], key, cache, place)

        def attempt(trial: PlannedTrial) -> Sequence[Base] | None:
            """The rows of the trial; none where another harness stored it, None while another one is at it."""
            answer = claims.take(trial.key)
            if answer != "mine":
                return () if answer == "stored" else None
            path = path_of(cache, trial.original_key)
            return place.trial(trial, worlds[trial.original_key], path, run_id)

        try:
            report("originals", 0)
            weights_hashes: dict[str, str] = {}
            needed = list(dict.fromkeys(trial.original_key for trial in missing))
            for row in rounds(pool, needed, train, claims.beat):
                busy += row.seconds
                _refuse_another(row, worlds[row.key], store.original(row.key))
                if not row.absorbed:
                    report("originals", 0, _not_absorbed(row, worlds[row.key]))
                weights_hashes[row.key] = row.weights_hash
                store.add([row])
            report("trials", 0)
            for done, records in enumerate(rounds(pool, missing, attempt, claims.beat), 1):
                if records:
                    record = records[0]
                    assert isinstance(record, TrialRow)
                    record.created_at = now()
                    record.original_weights_hash = weights_hashes[record.original_key]
                    ran += 1
                    failed += record.state == "failed"
                    busy += (record.seconds or 0.0) + (record.evaluation_seconds or 0.0)
                    store.add(records)
                    claims.end(record.key)
                report("trials", done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()
    store.finish_run(run_id, now())
    seconds = time.perf_counter() - begin
    return RunSummary(
        run_id, len(trials), ran, failed, seconds, max(0.0, 1 - busy / (seconds * workers)), tuple(warnings)
    )


@contextmanager
def _explained() -> Iterator[None]:
    """What the system refuses (room on a disk, say) as a sentence."""
    try:
        yield
    except OSError as error:
        raise HarnessError(
            f"{error}; what is stored stays: repair that, then the same command goes on from there"
        ) from error


def _clock(store: Store) -> Callable[[], datetime]:
    """The time of a run, UTC: the wall clock is asked once, so setting it neither bends durations nor orders runs."""
    start, begin = store.after_all_runs(datetime.now(UTC).replace(tzinfo=None)), time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - begin)


def _planned(trial: PlannedTrial, run_id: str) -> PlannedTrialRow:
    return PlannedTrialRow(
        run_id=run_id,
        trial_key=trial.key,
        problem_key=trial.problem_key,
        submission_key=trial.submission_key,
        original_key=trial.original_key,
        training_seed=trial.seeds.training,
        unlearning_seed=trial.seeds.unlearning,
        capacity=trial.original.capacity,
        training=trial.original.training,
    )


def _submission_rows(trials: Sequence[PlannedTrial]) -> list[SubmissionRow]:
    rows = {}
    for trial in trials:
        item = trial.submission
        rows[trial.submission_key] = SubmissionRow(
            key=trial.submission_key,
            name=item.name,
            variant=item.variant,
            title=item.title,
            authors=list(item.authors),
            paper=item.paper,
            license=item.license,
            role=item.role,
            needs_corrupted_indices=item.needs_corrupted_indices,
            hyperparameters=item.hyperparameters,
            source_hash=item.source_hash,
        )
    return list(rows.values())


def _refuse_another(row: OriginalRow, world: World, stored: OriginalRow | None) -> None:
    """A seed is whole on one machine: all its trials start from the same originals, or it is no seed.

    Raises:
        UsageError: the stored original of this key has other weights.
    """
    if stored is not None and stored.weights_hash != row.weights_hash:
        raise UsageError(
            f"{_named(world)} has other weights here ({row.weights_hash[:12]}) than the one that the stored trials"
            f" started from ({stored.weights_hash[:12]}): another processor or version rounds differently. Run other"
            " seeds here (--seed), bring the originals of this one (`unlearnbench originals import`), or give another"
            " database"
        )


def _not_absorbed(row: OriginalRow, world: World) -> str:
    return (
        f"{_named(world)} did not absorb its corruption ({row.memorised:.0%} memorised, healed test"
        f" {row.healed_test:.0%}): its cells measure little"
    )


def _named(world: World) -> str:
    return f"the original for {world.problem.corruption}, corruption seed {world.problem.seed}, {world.original.label}"
