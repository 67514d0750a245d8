"""Run trials as tasks of a Ray cluster. Ray schedules them and retries those whose worker died.

No shared file system is needed. The data set and the originals are put into Ray's object store, each of them once.
Only this process accesses the cache of originals and the database.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load, save

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.errors import KEPT, HarnessError, UsageError
from unlearnbench.models.weights import Weights
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.suite import Suite
from unlearnbench.running.originals import OriginalRecord
from unlearnbench.running.plan import PlannedOriginal, PlannedTrial
from unlearnbench.running.setup import Pin, Setup, unpinned
from unlearnbench.running.trial import Record
from unlearnbench.submissions.finding import Submission

os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # read at import; else a late call would start a cluster
try:
    import ray
    from ray.exceptions import (
        GetTimeoutError,
        NodeDiedError,
        RayError,
        RayTaskError,
        TaskCancelledError,
        TaskUnschedulableError,
        WorkerCrashedError,
    )
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from unlearnbench.running.executors import node
    from unlearnbench.running.executors.joining import Link, Lost, join, leave_without_farewell, link
except ModuleNotFoundError as error:
    raise UsageError(f"--executor ray needs Ray ({error}): pip install 'unlearnbench[ray]'") from error

LOSSES = 3
"""Maximum number of retries of a task whose worker died."""

NODE = "ray.io/node-id"
"""The label that Ray gives to each node."""

PATIENCE = 10.0
"""Timeout in seconds for cancelled tasks to end."""

LOOK = 2.0
"""Seconds between looks at the cluster, and at whether the run has ended while a task runs."""


class _Died(HarnessError):
    """The workers of a task died repeatedly."""


@dataclass
class Cluster:
    """The executor of one run."""

    workers: int
    setup: Setup
    hardware: dict[str, Any]
    tasks: dict[Callable[..., Any], Any]
    """The functions of `node` as remote functions."""
    common: tuple[Any, Any]
    """References to the run and the data set in Ray's object store, passed to every task."""
    link: Link
    room: Callable[[dict[str, float]], int]
    """Number of trials that a node with these resources can run at once."""
    lost: bool = False
    """Whether the cluster is gone."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _shared: dict[Path, Any] = field(default_factory=dict)
    _running: set[Any] = field(default_factory=set)
    _unfit: set[str] = field(default_factory=set)
    """IDs of nodes that cannot run trials of this run."""
    _closed: bool = False
    _looked: float = -LOOK
    _waiting: str | None = None

    def train(self, original: PlannedOriginal) -> tuple[Weights, float]:
        weights, seconds = self._call(node.train, self.setup.precision, original)
        return load(weights), seconds

    def evaluate(self, original: PlannedOriginal, weights: Weights) -> OriginalRecord:
        record: OriginalRecord = self._call(node.evaluate, self.setup.precision, original, save(weights))
        return record

    def trial(self, trial: PlannedTrial, original: Path) -> Record:
        content = self._share(original, lambda: np.fromfile(original, dtype=np.uint8))
        record: Record = self._call(node.trial, self.setup.precision, trial, content)
        return record

    def _share(self, key: Path, make: Callable[[], Any]) -> Any:
        """Reference to an object in Ray's object store. Puts it there on first use."""
        with self._lock:
            if key not in self._shared:
                self._shared[key] = ray.put(make())
            return self._shared[key]

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        while True:
            with self._lock:
                if self._closed:
                    raise HarnessError("cannot start a trial: the run has already ended")
                avoided = {"label_selector": {NODE: f"!in({', '.join(sorted(self._unfit))})"}} if self._unfit else {}
                task = self.tasks[function].options(**avoided).remote(*self.common, *arguments)
                self._running.add(task)
            try:
                return _answer(task, lambda: self._closed)
            except node.UnfitError as error:  # a node that has joined since
                self._avoid(error)
            finally:
                with self._lock:
                    self._running.discard(task)

    def _avoid(self, error: node.UnfitError) -> None:
        """Run no more trials on a node. Raises the error if no other is left."""
        with self._lock:
            new = error.node not in self._unfit
            self._unfit.add(error.node)
        if not self._fit():
            raise error
        if new:
            logging.getLogger(__name__).warning("%s; the run goes on without this node", error)

    def _fit(self) -> bool:
        """Whether the cluster has a node that can run trials."""
        left = [item for item in ray.nodes() if item["Alive"] and item["NodeID"] not in self._unfit]
        return any(self.room(item["Resources"]) for item in left)

    def trained(self) -> int:
        return 0

    def waiting(self) -> str | None:
        """What the calls wait for. Raises Lost if the cluster is gone."""
        if time.monotonic() - self._looked >= LOOK:
            try:
                answers = self.link.check()
            except Lost:
                self.lost = True
                raise
            if answers:  # else the question would block
                self._waiting = None if self._fit() else "a node of the cluster with room for a trial"
            self._looked = time.monotonic()
        return self._waiting

    def close(self) -> None:
        """Cancel all running tasks, and wait briefly for the calling threads to notice."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        if self.lost:
            return
        for task in running:
            ray.cancel(task, force=True)
        deadline = time.monotonic() + PATIENCE
        while self._running and time.monotonic() < deadline:
            time.sleep(0.01)


@contextmanager
def cluster(
    suite: Suite,
    submissions: Sequence[Submission],
    dataset: Dataset,
    boundary: Boundary,
    workers: int | None,
    pin: Pin = unpinned,
    *,
    gpus_per_trial: float | None = None,
) -> Iterator[Cluster]:
    """Executor on the Ray cluster at RAY_ADDRESS, or on the one running on this machine.

    Args:
        workers: number of concurrent trials. Default: as many as fit on the cluster now. Trials that do not fit wait in
            Ray's queue.
        gpus_per_trial: GPUs for each trial, which may be a fraction. Default: 1 if the cluster has GPUs, else 0.

    Raises:
        UsageError: there is no cluster, no node is large enough for a trial, or a node lacks what a submission
            requires.
        HarnessError: the software, device or precision of a node differs from this machine or the other nodes.
    """
    joined = not ray.is_initialized()
    if joined:
        join()
    try:
        nodes = [item for item in ray.nodes() if item["Alive"]]
        if gpus_per_trial is None:
            gpus_per_trial = float(any(item["Resources"].get("GPU") for item in nodes))
        device = "cuda" if gpus_per_trial else "cpu"
        suite = pin(suite, device)
        room_of = partial(_room, cpus=suite.threads, gpus=gpus_per_trial)
        rooms = {item["NodeID"]: room_of(item["Resources"]) for item in nodes}
        rooms = {key: room for key, room in rooms.items() if room}
        if not rooms:
            gpus = f" and {gpus_per_trial:g} GPUs" if gpus_per_trial else ""
            raise UsageError(
                f"no node of the Ray cluster has the {suite.threads} cores{gpus} that a trial needs: add such a node"
            )
        private = tuple(path.resolve() for path in boundary.private)
        required = node.software(submissions)
        run = node.Run(suite, tuple(submissions), boundary.level, boundary.wanted, private, device, required)
        options: dict[str, Any] = {"num_cpus": suite.threads, "num_gpus": gpus_per_trial, "max_retries": LOSSES}
        remote = ray.remote(**options)
        tasks = {function: remote(function) for function in (node.facts, node.train, node.evaluate, node.trial)}
        common = (ray.put(run), ray.put(node.packed(dataset)))
        facts = _facts(tasks[node.facts], common, list(rooms))
        room = sum(rooms[key] for key in facts)
        said = list(facts.values())
        setup = Setup(suite, run.device, _precision(said), boundary.level)
        workers = room if workers is None else workers
        executor = Cluster(workers, setup, _hardware(said), tasks, common, link(), room_of)
        try:
            yield executor
        finally:
            executor.close()
            joined = joined and not executor.lost
            if executor.lost:
                leave_without_farewell()
    finally:
        if joined:
            ray.shutdown()


def _room(resources: dict[str, float], cpus: int, gpus: float) -> int:
    """Number of trials that a node can run at once."""
    room = resources.get("CPU", 0.0) // cpus
    if gpus:
        available = resources.get("GPU", 0.0)
        room = min(room, available * (1 // gpus) if gpus < 1 else available // gpus)  # fractions are of one GPU
    return int(room)


def _facts(ask: Any, common: tuple[Any, Any], nodes: list[str]) -> dict[str, node.Facts]:
    """Properties of the nodes that answer. Fails if the software or device of a node differs from that of the run."""
    strategies = {key: NodeAffinitySchedulingStrategy(key, soft=False) for key in nodes}
    tasks = {key: ask.options(scheduling_strategy=strategy).remote(*common) for key, strategy in strategies.items()}
    facts = {}
    for key, task in tasks.items():
        try:
            facts[key] = _answer(task)
        except _Died:
            continue
        except node.UnfitError as error:
            raise (UsageError if error.usage else HarnessError)(str(error)) from error
    if not facts:
        raise HarnessError("no node of the Ray cluster answered: check that the nodes are up and their workers start")
    return facts


def _precision(facts: list[node.Facts]) -> str:
    found = {item.precision: item.node for item in facts}
    if len(found) > 1:
        listed = ", ".join(f"{name} on node {where}" for name, where in found.items())
        raise HarnessError(f"the nodes would compute in different precisions ({listed}): set `precision` in the suite")
    return next(iter(found))


def _hardware(facts: list[node.Facts]) -> dict[str, Any]:
    """Hardware of all nodes in the format of a single machine, plus the number of nodes. Lists differing values."""
    values = {key: list(dict.fromkeys(item.hardware[key] for item in facts)) for key in facts[0].hardware}
    alike = {key: found[0] if len(found) == 1 else ", ".join(map(str, found)) for key, found in values.items()}
    return {**alike, "nodes": len(facts)}


def _answer(task: Any, given_up: Callable[[], bool] = lambda: False) -> Any:
    """Wait for the result of a task, or until it is given up. Turns errors of Ray into HarnessError."""
    try:
        while not given_up():
            with suppress(GetTimeoutError):
                return ray.get(task, timeout=LOOK)
        raise HarnessError("the run ended during a trial")
    except TaskCancelledError as error:
        raise HarnessError("the run ended during a trial") from error
    except RayTaskError as error:
        if isinstance(error.cause, HarnessError | UsageError):
            raise error.cause from None
        raise HarnessError(f"a Ray worker failed: {type(error.cause).__name__}: {error.cause}") from error
    except (WorkerCrashedError, NodeDiedError, TaskUnschedulableError) as error:
        raise _Died(f"a trial's Ray worker died {LOSSES + 1} times; {KEPT}") from error
    except RayError as error:
        raise HarnessError(
            f"the Ray cluster failed: {next(iter(str(error).splitlines()), type(error).__name__)}"
        ) from error
