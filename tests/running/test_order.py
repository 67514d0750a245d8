"""The order of trials: none comes after or beside one that knew more of the corrupted set of its case."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.submission import NOTHING, written
from tests.tiny import tiny
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.evaluation.metrics import Metrics
from unlearnbench.models import ModelSpec
from unlearnbench.models.weights import Weights
from unlearnbench.problems.datasets import Dataset, load
from unlearnbench.problems.grid import CaseSpec
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import Originals, Suite
from unlearnbench.running.executors import Start
from unlearnbench.running.originals import OriginalRecord
from unlearnbench.running.plan import PlannedOriginal, PlannedTrial, plan, stages
from unlearnbench.running.run import RunSummary, run_suite
from unlearnbench.running.setup import Pin, Setup
from unlearnbench.running.sharing import attempt_all
from unlearnbench.running.trial import Record
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission

FAILED = Record(None, "raised: nothing", None, None, None, None, None, 0.0, "counted")


@dataclass
class Log:
    """When trials began and ended, by a clock that counts."""

    begun: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    trials: dict[str, PlannedTrial] = field(default_factory=dict)
    at_once: int = 0
    most: int = 0
    clock: Iterator[int] = field(default_factory=itertools.count)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def trial(self, trial: PlannedTrial) -> Iterator[None]:
        with self.lock:
            assert trial.key not in self.begun, "a trial was run twice"
            self.begun[trial.key], self.trials[trial.key] = next(self.clock), trial
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        yield
        with self.lock:
            self.at_once -= 1
            self.ended[trial.key] = next(self.clock)

    def check(self) -> None:
        """Every trial has ended before any trial of the same case that knows more begins."""
        assert self.begun.keys() == self.ended.keys()
        for one, other in itertools.permutations(self.trials.values(), 2):
            if one.problem.case == other.problem.case and knows(one) < knows(other):
                assert self.ended[one.key] < self.begun[other.key], (one.submission.label, other.submission.label)


def knows(trial: PlannedTrial) -> float:
    """The share of D_m that a trial knows; one that gets D_m comes after one that discovered all of it."""
    return 2.0 if trial.submission.needs_corrupted_indices else trial.problem.discovery_rate


@dataclass(frozen=True)
class Fake:
    """An executor that runs nothing. Its trials take the seconds that `pause` says."""

    setup: Setup
    workers: int
    log: Log
    pause: Callable[[], float]
    hardware: dict[str, Any] = field(default_factory=dict)

    def train(self, original: PlannedOriginal) -> tuple[Weights, float]:
        return {"weight": torch.zeros(1)}, 0.0

    def evaluate(self, original: PlannedOriginal, weights: Weights) -> OriginalRecord:
        metrics = Metrics(0.0, None, None, None, None, None, 0.0, 1.0, 1.0, None)
        return OriginalRecord(ModelSpec("resnet9", 1.0, 0.5, 10, 1, 8), "0" * 64, 1.0, True, metrics)

    def trial(self, trial: PlannedTrial, original: Path) -> Record:
        with self.log.trial(trial):
            time.sleep(self.pause())
        return FAILED

    def trained(self) -> int:
        return 0

    def waiting(self) -> None:
        return None


def fake(log: Log, pause: Callable[[], float]) -> Start:
    @contextmanager
    def start(
        suite: Suite, _: object, dataset: Dataset, boundary: Boundary, workers: int | None, pin: Pin
    ) -> Iterator[Fake]:
        yield Fake(Setup(suite, "cpu", "float32", boundary.level), workers or 1, log, pause)

    def started(*arguments: Any) -> AbstractContextManager[Fake]:
        return start(*arguments)

    return started


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> list[Submission]:
    """Methods of all needs: the usual one, no forget set, D_m, D_m and no forget set, tied dropout."""
    folder = tmp_path_factory.mktemp("methods")
    names = ("usual", "less", "oracle_mine", "ideal", "tied")
    usual, less, oracle, ideal, tied = (written(folder, name, NOTHING) for name in names)
    return [
        replace(oracle, needs_corrupted_indices=True),
        replace(ideal, needs_corrupted_indices=True, needs_forget_set=False),
        usual,
        replace(tied, needs_tied_dropout=True),
        replace(less, needs_forget_set=False),
    ]


@st.composite
def suites(draw: st.DrawFn) -> Suite:
    rates = draw(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.7, 1.0]), min_size=1, max_size=4, unique=True))
    seeds: list[int | Seeds] = draw(
        st.lists(st.sampled_from([0, 1, Seeds(0, 5, 6), Seeds(2, 0, 0)]), min_size=1, max_size=3, unique=True)
    )
    corruptions: list[tuple[str, ...]] = [("random-swap",), ("poison-trigger", "class-swap")]
    capacities = draw(st.sampled_from([(0.5,), (0.5, 1.0)]))
    return replace(
        tiny(),
        discovery_rates=tuple(rates),
        seeds=tuple(seeds),
        corruptions=draw(st.sampled_from(corruptions)),
        originals=Originals(capacities=capacities),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(suite=suites(), chosen=st.sets(st.integers(0, 4), min_size=1), workers=st.integers(1, 5), seed=st.integers(0, 9))
def test_no_trial_comes_after_or_beside_one_that_knew_more(
    suite: Suite, chosen: set[int], workers: int, seed: int, methods: list[Submission], tmp_path: Path
) -> None:
    dataset = load("digits", tmp_path, train_size=200, test_size=60)
    trials = plan(Setup(suite, "cpu", "float32", "process"), dataset, [methods[index] for index in sorted(chosen)])
    times, log, refused = random.Random(seed), Log(), set[str]()
    lines = stages(trials)
    assert sorted(trial.key for line in lines for stage in line for trial in stage) == sorted(t.key for t in trials)

    def attempt(trial: PlannedTrial) -> str | None:
        if times.random() < 0.1 and trial.key not in refused:
            refused.add(trial.key)  # as if another harness had claimed it, and failed
            return None
        with log.trial(trial):
            time.sleep(times.random() / 1000)
        return trial.key

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(workers) as pool:
        patch.setattr("unlearnbench.running.sharing.PAUSE", 0.001)
        found = {key for _, key in attempt_all(pool, lines, attempt, lambda claimed: None, workers=workers)}
    assert found == {trial.key for trial in trials}
    log.check()


def test_harnesses_on_one_store_keep_the_order_among_themselves(
    methods: list[Submission], database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlearnbench.running.sharing.PAUSE", 0.02)
    suite = replace(tiny(), discovery_rates=(0.5, 0.2, 1.0), seeds=(0, 1), corruptions=("random-swap", "class-swap"))
    log, times = Log(), random.Random(0)

    def run(workers: int) -> RunSummary:
        with Store(database) as store:
            data, start = tmp_path / str(workers), fake(log, lambda: times.random() / 20)
            return run_suite(suite, methods, store, data, workers=workers, executor=start)

    with ThreadPoolExecutor(3) as pool:
        summaries = list(pool.map(run, (1, 2, 3)))
    assert sum(summary.ran for summary in summaries) == len(log.trials) == summaries[0].planned
    assert sum(summary.ran > 0 for summary in summaries) > 1  # one may come too late to run any
    log.check()


def test_cases_do_not_wait_for_each_other(methods: list[Submission], store: Store, tmp_path: Path) -> None:
    """One method has one trial a stage: four workers need four cases."""
    suite = replace(tiny(), discovery_rates=(0.2, 0.5, 1.0), seeds=(0, 1, 2, 3, 4, 5))
    log = Log()
    run_suite(suite, methods[2:3], store, tmp_path, workers=4, executor=fake(log, lambda: 0.05))
    log.check()
    assert log.most == 4
    begun = sorted(log.trials.values(), key=lambda trial: log.begun[trial.key])
    assert {trial.problem.case.seed for trial in begun[:4]} == {0, 1, 2, 3}


def test_few_cases_are_under_way_at_a_time(methods: list[Submission], store: Store, tmp_path: Path) -> None:
    """So that few training sets are in memory."""
    suite = replace(tiny(), discovery_rates=(0.2, 0.5, 1.0), seeds=tuple(range(8)))
    log, many = Log(), [replace(methods[2], variant=f"v{index}") for index in range(4)]
    run_suite(suite, many, store, tmp_path, workers=2, executor=fake(log, lambda: 0.01))
    log.check()
    spans: dict[CaseSpec, tuple[int, int]] = {}
    for key, trial in log.trials.items():
        first, last = spans.get(trial.problem.case, (log.begun[key], 0))
        spans[trial.problem.case] = min(first, log.begun[key]), max(last, log.ended[key])
    at_once = [sum(first <= time <= last for first, last in spans.values()) for time in range(next(log.clock))]
    assert max(at_once) <= 3
