"""Trials on this machine, each in a process behind one boundary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.models.weights import Weights
from unlearnbench.problems.suite import Suite
from unlearnbench.running.originals import judged, trained
from unlearnbench.running.plan import PlannedTrial
from unlearnbench.running.trial import run_trial
from unlearnbench.running.world import World
from unlearnbench.store.schema import Base, OriginalRow
from unlearnbench.system import machine
from unlearnbench.system.processes import cores
from unlearnbench.system.temporary import own, sweep


@dataclass(frozen=True)
class Local:
    workers: int
    device: str
    precision: str
    hardware: dict[str, Any]
    boundary: Boundary

    @property
    def folder(self) -> Path:
        return self.boundary.folder

    def train(self, world: World) -> tuple[Weights, float]:
        return trained(world, self.boundary)

    def judge(self, world: World, key: str, weights: Weights, seconds: float) -> OriginalRow:
        return judged(world, key, weights, seconds)

    def trial(self, trial: PlannedTrial, world: World, original: Path, run_id: str) -> list[Base]:
        return run_trial(trial, world, original, run_id, self.boundary)


@contextmanager
def local(suite: Suite, isolation: Isolation, workers: int | None) -> Iterator[Local]:
    """Without `workers`, as many as the cores have threads of a trial for.

    Raises:
        UsageError: on entering, this machine cannot isolate as asked.
    """
    device = machine.device()
    precision = machine.precision(suite.precision, device)
    machine.keep_memory()  # models are judged in this process
    sweep()
    with Boundary(isolation) as boundary:
        own(boundary.folder)
        at_once = max(1, cores() // suite.threads) if workers is None else workers
        yield Local(at_once, device, precision, machine.hardware(device), boundary)
