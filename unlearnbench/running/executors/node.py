"""Tasks of Ray workers. Each worker wraps a local executor and receives its files through Ray.

A worker process keeps its executor, and so its cached cases, between tasks. It refuses to run if its software, that
which submissions require included, or device differs from that of the run, because results could differ too.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

import unlearnbench
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.cgroup import Enforcement
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import KEPT, HarnessError, UsageError
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.tensors import load_verified
from unlearnbench.running.executors.local import Local, local
from unlearnbench.running.originals import OriginalRecord, path_of
from unlearnbench.running.plan import PlannedOriginal, PlannedTrial
from unlearnbench.running.trial import Record
from unlearnbench.submissions.finding import Submission
from unlearnbench.submissions.requirements import installed_versions
from unlearnbench.submissions.sources import find_package, hash_sources
from unlearnbench.system import machine

KEPT_ORIGINALS = 8

Content = NDArray[np.uint8]
"""The bytes of a file, as an array so that the workers of a node share one copy."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class UnfitError(HarnessError):
    """A node cannot run trials of this run.

    Attributes:
        node: its ID.
        usage: whether a person can help it, as with a `UsageError`.
    """

    def __init__(self, message: str, node: str, usage: bool):
        super().__init__(message)
        self.node, self.usage = node, usage

    def __reduce__(self) -> tuple[type[UnfitError], tuple[str, str, bool]]:
        return UnfitError, (str(self), self.node, self.usage)


@dataclass(frozen=True)
class Run:
    """Settings passed to every task of a run. A process keeps its executor as long as they are equal."""

    suite: Suite
    submissions: tuple[Submission, ...]
    isolation: Isolation
    enforcement: Enforcement | None
    private: tuple[Path, ...]
    device: str
    software: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """Properties of a node."""

    node: str
    precision: str
    hardware: dict[str, Any]


@dataclass(frozen=True)
class _Kept:
    run: Run
    place: Local


_open = ExitStack()
_kept: _Kept | None = None


def software(submissions: Sequence[Submission]) -> dict[str, str]:
    """Versions of all software that can affect results. This package and installed methods have a hash of their files,
    because not every change has its own version.

    Raises:
        UsageError: a package that a submission requires is missing here, or not as required.
    """
    found = {**machine.versions(), "unlearnbench's files": hash_sources(Path(unlearnbench.__file__).parent)[:12]}
    for item in submissions:
        found |= installed_versions(item.name, item.requires)
        if item.sources is None:
            package = find_package(item.entry)
            found[f"installed method '{item.name}'"] = "missing" if package is None else package[1][:12]
    return found


def packed(dataset: Dataset) -> dict[str, Any]:
    """The fields of a data set, with tensors as arrays, which the workers of a node share."""
    values = {item.name: getattr(dataset, item.name) for item in fields(dataset)}
    return {name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in values.items()}


def node_id() -> str:
    found: str = ray.get_runtime_context().get_node_id()
    return found


def name() -> str:
    return f"{platform.node()} ({node_id()[:8]})"


def _named(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Add the name of the node to error messages."""

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except UnfitError as error:
            raise UnfitError(f"on node {name()}: {error}", error.node, error.usage) from error
        except (UsageError, HarnessError) as error:
            raise type(error)(f"on node {name()}: {error}") from error
        except OSError as error:
            raise HarnessError(f"on node {name()}: {error}; {KEPT}") from error

    return call


@_named
def facts(run: Run, dataset: dict[str, Any]) -> Facts:
    place = _here(run, dataset)
    return Facts(name(), place.setup.precision, place.hardware)


@_named
def train(run: Run, dataset: dict[str, Any], precision: str, original: PlannedOriginal) -> tuple[bytes, float]:
    weights, seconds = _here(run, dataset, precision).train(original)
    return save(weights), seconds


@_named
def evaluate(
    run: Run, dataset: dict[str, Any], precision: str, original: PlannedOriginal, weights: bytes
) -> OriginalRecord:
    return _here(run, dataset, precision).evaluate(original, load(weights))


@_named
def trial(
    run: Run,
    dataset: dict[str, Any],
    precision: str,
    trial: PlannedTrial,
    original: Content,
) -> Record:
    place = _here(run, dataset, precision)
    path = path_of(place.boundary.folder / "originals", trial.original.key)
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".part")
        original.tofile(temporary)
        if load_verified(temporary) is None:
            raise HarnessError(f"the original {path.stem} was damaged in transfer")
        temporary.rename(path)
        _forget_originals(path)
    return place.trial(trial, path)


def _here(run: Run, dataset: dict[str, Any], precision: str | None = None) -> Local:
    """The executor of this process for the run. Creates it if the previous task belonged to another run.

    Args:
        precision: that of the run, once it is known, which this process then uses, whatever it would choose itself.

    Raises:
        UnfitError: this node has other software, another device, or no isolation at the level of the run.
    """
    try:
        if _kept is None or _kept.run != run:
            _enter(run, dataset)
        assert _kept is not None
    except (UsageError, HarnessError) as error:
        raise UnfitError(str(error), node_id(), isinstance(error, UsageError)) from error
    place = _kept.place
    return place if precision is None else replace(place, setup=replace(place.setup, precision=precision))


def _enter(run: Run, dataset: dict[str, Any]) -> None:
    """Replace the executor of this process by one for the run."""
    global _kept
    _leave()
    _same(run.software, software(run.submissions))
    if run.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(run.suite.threads)
    tensors = {key: torch.from_numpy(value) for key, value in dataset.items() if isinstance(value, np.ndarray)}
    boundary = Boundary(run.isolation, run.enforcement, run.private)
    place = _open.enter_context(local(run.suite, run.submissions, Dataset(**{**dataset, **tensors}), boundary, 1))
    _removed_after_us(place.boundary.folder)
    if place.setup.device != run.device:
        raise HarnessError("the run needs a GPU, but torch finds none on this node")
    _kept = _Kept(run, place)


def _forget_originals(newest: Path) -> None:
    """Keep the latest `KEPT_ORIGINALS` files. Trials are ordered by case, so older ones are rarely needed again."""
    files = sorted(newest.parent.glob(f"*{newest.suffix}"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-KEPT_ORIGINALS]:
        file.unlink()


def _removed_after_us(folder: Path) -> None:
    """Start a detached process that removes the folder after this one has ended. Ray kills its workers by a signal, so
    this process cannot clean up itself.
    """
    command = 'exec 3<&0 >/dev/null 2>&1; (read _ <&3; sleep 1; chmod -R u+rwX "$0"; rm -rf "$0" "$1") &'
    process = subprocess.Popen(
        ["sh", "-c", command, folder.resolve(), folder], stdin=subprocess.PIPE, start_new_session=True
    )
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
        raise HarnessError(f"different software: {', '.join(other)}; install the same versions on all nodes")
