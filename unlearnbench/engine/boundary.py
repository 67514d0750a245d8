"""The harness's side of the boundary: a request goes out, an outcome comes back, whatever the submission did."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from safetensors import SafetensorError
from safetensors.torch import load_file

from unlearnbench.engine.weights import Weights, fault
from unlearnbench.errors import HarnessError
from unlearnbench.method import Budget, Pipeline, Recipe

ISOLATION = "process"
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT")


@dataclass(frozen=True)
class Request:
    """All that a trial's process is given. Positions are those of samples in D_tr."""

    entry: str
    folder: str | None
    hyperparameters: dict[str, Any]
    training_set: str
    original: str | None
    forget: list[int]
    corrupted: list[int] | None
    model: dict[str, Any]
    pipeline: Pipeline
    budget: Budget
    recipe: Recipe
    seed: int
    threads: int
    precision: str
    device: str
    seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Outcome:
    """What came of a request. `reason` is None exactly when `weights` are usable."""

    weights: Weights | None
    reason: str | None
    detail: str | None
    seconds: float | None
    forward_samples: int | None
    backward_samples: int | None


class Boundary:
    """A private folder for what is handed over, and a server to fork trials from, started when the first one comes.

    Thread-safe. On leaving, every trial that still runs is killed.
    """

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="unlearnbench-"))
        self._socket = str(self.folder / "server")
        self._server: subprocess.Popen[bytes] | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            for connection in self._connections:
                connection.shutdown(socket.SHUT_RDWR)  # its guardian kills the trial
        if self._server is not None:
            assert self._server.stdin is not None
            self._server.stdin.close()
            self._server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _connect(self) -> socket.socket:
        with self._lock:
            if self._server is None:
                # A clean environment: what the caller's holds (a database password, say) is nobody's business there.
                environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
                environment |= {"HOME": str(self.folder), "OMP_NUM_THREADS": "1"}
                environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
                self._server = subprocess.Popen(
                    [sys.executable, "-P", "-m", "unlearnbench.engine.forkserver", self._socket],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd=self.folder,
                    start_new_session=True,  # an interrupt in the terminal is for the harness, which then ends this
                    env=environment,
                )
                assert self._server.stdout is not None
                if self._server.stdout.readline() != b"ready\n":
                    raise HarnessError("the server that trials are forked from did not start; its error stands above")
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(self._socket)
            self._connections.add(connection)
        return connection

    def run(self, request: Request, reference: Weights) -> Outcome:
        """Run one request in a fresh process; the weights that come back must fit those of the reference.

        Raises:
            HarnessError: what failed was the harness's own part, before the submission's first line.
        """
        private = Path(tempfile.mkdtemp(prefix="trial-", dir=self.folder))
        try:
            events = self._exchange(json.dumps({**asdict(request), "private": str(private)}))
            outcome = _outcome(events, request, _tail(private / "output.txt"))
            if outcome.reason is not None:
                return outcome
            try:
                weights = load_file(private / "weights.safetensors")
            except (SafetensorError, OSError) as error:
                return replace(outcome, reason=f"invalid weights: {error}")
            reason = fault(weights, reference)
            if reason is not None:
                return replace(outcome, reason=f"invalid weights: {reason}")
            return replace(outcome, weights=weights)
        finally:
            shutil.rmtree(private, ignore_errors=True)

    def _exchange(self, line: str) -> dict[str, dict[str, Any]]:
        connection = self._connect()
        try:
            connection.sendall(line.encode() + b"\n")
            with connection.makefile("rb") as lines:
                events = (json.loads(line) for line in lines)
                return {event.pop("event"): event for event in events}
        except OSError as error:
            raise HarnessError(f"the server that trials are forked from is gone: {error}") from error
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()


def _outcome(events: dict[str, dict[str, Any]], request: Request, output: str) -> Outcome:
    if "loaded" not in events or "ended" not in events:
        raise HarnessError(f"a trial's process could not be set up: {output or 'it left no message'}")
    end = events["ended"]
    report = events.get("finished") or events.get("failed")
    if end["timed_out"]:
        reason: str | None = f"timeout: over {request.seconds:g} s"
    elif report is None and end["code"] < 0:
        reason = f"crashed: signal {-end['code']}"
    elif report is None:
        reason = f"exited: code {end['code']} without a result"
    else:
        reason = report.get("reason")
    report = report or {}
    return Outcome(
        weights=None,
        reason=reason,
        detail=(report.get("detail", "") + output)[-8000:] or None,
        seconds=report.get("seconds"),
        forward_samples=report.get("forward"),
        backward_samples=report.get("backward"),
    )


def _tail(file: Path, length: int = 4000) -> str:
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - length))
        return stream.read().decode(errors="replace")
