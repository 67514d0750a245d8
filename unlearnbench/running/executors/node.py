"""What a Ray worker does: it is a local executor that gets its files by mail.

Between tasks the process keeps its boundary and the last worlds. It refuses where it would compute other numbers than
the run says.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

import unlearnbench
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import OriginalSpec, ProblemSpec, Suite
from unlearnbench.problems.tensors import load_verified
from unlearnbench.running.executors.local import Local, local
from unlearnbench.running.originals import path_of
from unlearnbench.running.plan import PlannedTrial
from unlearnbench.running.world import World
from unlearnbench.store.schema import Base, OriginalRow
from unlearnbench.submissions.sources import find_package, find_sources, hash_sources
from unlearnbench.system import machine

KEPT_WORLDS = 2
"""Worlds that a worker keeps: trials come problem by problem, so the next one is nearly always of the last world."""

Content = NDArray[np.uint8]
"""The bytes of a file; as an array, the workers of a node share one copy of them."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Run:
    """What every task of a run is told. What a process keeps is of use as long as it is told the same."""

    suite: Suite
    isolation: Isolation
    device: str
    software: Mapping[str, str]


@dataclass(frozen=True)
class Setting:
    """What a world is made of besides suite and data; a training set of this `fingerprint` must come of it."""

    problem: ProblemSpec
    original: OriginalSpec
    seeds: Seeds
    precision: str
    fingerprint: str


@dataclass(frozen=True)
class Facts:
    """What a node says of itself."""

    node: str
    precision: str
    hardware: dict[str, Any]


@dataclass(frozen=True)
class _Kept:
    run: Run
    place: Local
    worlds: dict[Setting, World] = field(default_factory=dict)


_open = ExitStack()
_kept: _Kept | None = None


def software() -> dict[str, str]:
    """What decides numbers, the files of this package among it: its version does not change with every line."""
    package = Path(unlearnbench.__file__).parent
    return {**machine.versions(), "unlearnbench's files": hash_sources(package)[:12]}


def packed(dataset: Dataset) -> dict[str, Any]:
    """The data set as arrays, which the workers of a node share."""
    values = {item.name: getattr(dataset, item.name) for item in fields(dataset)}
    return {name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in values.items()}


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a submission that are hashed, by their path in its folder."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in find_sources(folder)}


def name() -> str:
    return f"{platform.node()} ({ray.get_runtime_context().get_node_id()[:8]})"


def _named(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Errors as sentences that say where."""

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except (UsageError, HarnessError) as error:
            raise type(error)(f"on node {name()}: {error}") from error
        except OSError as error:
            raise HarnessError(f"on node {name()}: {error}; repair that, then the same command goes on") from error

    return call


@_named
def facts(run: Run) -> Facts:
    place = _here(run).place
    return Facts(name(), place.precision, place.hardware)


@_named
def train(run: Run, setting: Setting, dataset: dict[str, Any]) -> tuple[bytes, float]:
    kept = _here(run)
    weights, seconds = kept.place.train(_world(kept, setting, dataset))
    return save(weights), seconds


@_named
def judge(run: Run, setting: Setting, dataset: dict[str, Any], key: str, weights: bytes, seconds: float) -> OriginalRow:
    kept = _here(run)
    return kept.place.judge(_world(kept, setting, dataset), key, load(weights), seconds)


@_named
def trial(
    run: Run,
    setting: Setting,
    dataset: dict[str, Any],
    trial: PlannedTrial,
    original: Content,
    files: dict[str, bytes] | None,
    run_id: str,
) -> list[Base]:
    """The rows of one trial. `files` are those of the submission; None if it is an installed package."""
    kept = _here(run)
    world = _world(kept, setting, dataset)
    assert world.folder is not None
    path = path_of(world.folder, trial.original_key)
    if not path.exists():
        temporary = path.with_suffix(".part")
        original.tofile(temporary)
        if load_verified(temporary) is None:
            raise HarnessError(f"the original {path.stem} did not arrive whole")
        temporary.rename(path)
    submission, folder = trial.submission, None
    if submission.folder is not None and files is not None:
        folder = _submission(kept.place.folder / submission.source_hash / submission.folder.name, files)
    elif (find_package(submission.entry) or (None, None))[1] != submission.source_hash:
        raise HarnessError(
            f"the installed method '{submission.name}' is not here, or another version of it: install it"
        )
    return kept.place.trial(replace(trial, submission=replace(submission, folder=folder)), world, path, run_id)


def _here(run: Run) -> _Kept:
    """The executor of this process for this run."""
    global _kept
    if _kept is not None and _kept.run == run:
        return _kept
    _leave()
    _same(run.software, software())
    if run.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(run.suite.threads)
    place = _open.enter_context(local(run.suite, run.isolation, 1))
    _removed_after_us(place.folder)
    if place.device != run.device:
        raise HarnessError("torch sees no GPU here, and the run is one on GPUs")
    _kept = _Kept(run, place)
    return _kept


def _removed_after_us(folder: Path) -> None:
    """Ray ends its workers by a signal, so who removes the folder must be another process, and no child of this one."""
    command = 'exec 3<&0 >/dev/null 2>&1; (read _ <&3; sleep 1; chmod -R u+rwX "$0"; rm -rf "$0") &'
    process = subprocess.Popen(["sh", "-c", command, folder], stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    _open.callback(process.stdin.close)
    process.wait()


def _leave() -> None:
    global _kept
    _kept = None
    _open.close()


def _same(wanted: Mapping[str, str], here: Mapping[str, str]) -> None:
    other = [f"{name} {here.get(name)} instead of {value}" for name, value in wanted.items() if here.get(name) != value]
    if other:
        raise HarnessError(f"it has {', '.join(other)}: install on all nodes what the harness has")


def _world(kept: _Kept, setting: Setting, dataset: dict[str, Any]) -> World:
    """The world with its training set in a folder of its own; what was not asked for longest makes room."""
    if setting in kept.worlds:
        kept.worlds[setting] = kept.worlds.pop(setting)
        return kept.worlds[setting]
    run, place = kept.run, kept.place
    if place.precision != setting.precision:
        raise HarnessError(f"its precision is {place.precision}, the run's is {setting.precision}")
    while len(kept.worlds) >= KEPT_WORLDS:
        oldest = kept.worlds.pop(next(iter(kept.worlds)))
        assert oldest.folder is not None
        shutil.rmtree(oldest.folder)
    tensors = {key: torch.from_numpy(value) for key, value in dataset.items() if isinstance(value, np.ndarray)}
    folder = Path(tempfile.mkdtemp(prefix="world-", dir=place.folder))
    data = Dataset(**{**dataset, **tensors})
    world = World(
        run.suite,
        data,
        setting.problem,
        setting.original,
        setting.seeds,
        setting.precision,
        run.device,
        folder,
    )
    if (data.fingerprint, world.training_fingerprint) != (setting.problem.data_fingerprint, setting.fingerprint):
        raise HarnessError("the data that came out here are others than the harness has")
    kept.worlds[setting] = world
    return world


def _submission(folder: Path, files: dict[str, bytes]) -> Path:
    """The submission's folder, in one whose name is the hash of its files."""
    if folder.exists():
        return folder
    temporary = folder.with_suffix(".part")
    for path, content in files.items():
        (temporary / path).parent.mkdir(parents=True, exist_ok=True)
        (temporary / path).write_bytes(content)
    if hash_sources(temporary) != folder.parent.name:
        raise HarnessError("the files of a submission have changed since the run began: start it again")
    return temporary.rename(folder)
