"""The trusted side of the boundary. Turns a request into an outcome, whatever the submission does."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from safetensors.torch import load

from unlearnbench.boundary import isolation
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.boundary.request import Order, Request
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.models.weights import Weights, find_fault
from unlearnbench.submissions.sources import hash_sources
from unlearnbench.system.machine import KEEP_MEMORY

PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT")
HEADER_BYTES = 2**20  # maximum size of a weights file beyond the weights themselves
ATTEMPTS = 10
"""Attempts to start a trial, up to a second apart, when other trials of the same user kill it before it reports."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a request. Exactly one of `weights` and `reason` is None.

    Attributes:
        reason: why there are no valid weights.
        detail: end of the traceback and of what the submission printed.
        seconds: wall-clock time in `unlearn`.
        processor_seconds: user and system time of all processes of the trial, including the import of the submission.
            None if unknown.
        forward_samples: number of samples that passed forward through a classifier.
        backward_samples: the same for backward passes.
    """

    weights: Weights | None
    reason: str | None
    detail: str | None
    seconds: float | None
    processor_seconds: float | None
    forward_samples: int | None
    backward_samples: int | None


class Boundary:
    """Context manager that runs requests in processes forked from a server, with a private temporary folder.

    At level `strict` the server starts on entry, to check that isolation works. At level `process` it starts with the
    first request. Leaving the context kills all running trials. Thread-safe.

    Raises:
        UsageError: on entry, if this machine does not support the isolation level.
    """

    def __init__(self, level: Isolation = "process"):
        self.level = level

    def __enter__(self) -> Self:
        isolation.require(self.level)
        self.folder = Path(tempfile.mkdtemp(prefix="unlearnbench-"))
        self._socket = str(self.folder / "server")
        self._server: subprocess.Popen[bytes] | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        if self.level != "process":
            try:
                self._start()
            except BaseException:
                shutil.rmtree(self.folder)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            for connection in self._connections:
                connection.shutdown(socket.SHUT_RDWR)  # its guardian kills the trial
        if self._server is not None:
            assert self._server.stdin is not None
            self._server.stdin.close()
            self._server.wait()
        _remove(self.folder)

    def _start(self) -> subprocess.Popen[bytes]:
        # Pass only selected variables: the environment may contain secrets such as a database password.
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {"HOME": str(self.folder), "USER": "trial", "OMP_NUM_THREADS": "1"}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", **KEEP_MEMORY}
        Path(self._socket).unlink(missing_ok=True)  # left behind by a killed server
        arguments = [sys.executable, "-P", "-m", "unlearnbench.boundary.server", self._socket]
        if self.level != "process":
            arguments.append(json.dumps(isolation.sandbox_command({})))
        errors = None if self.level == "process" else (self.folder / "errors").open("w+b")
        self._server = subprocess.Popen(
            [*isolation.server_command(self.level), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=self.folder,
            start_new_session=True,  # Ctrl-C must reach only the harness, which then stops the server
            env=environment,
        )
        assert self._server.stdout is not None
        answer = self._server.stdout.readline().decode().strip()
        if answer == "ready":
            return self._server
        self._server.communicate()
        if errors is None:
            raise HarnessError("the trial server did not start; see its error above")
        errors.seek(0)
        reason = answer or " ".join(errors.read().decode(errors="replace").split())[-1000:]
        raise UsageError(f"isolation '{self.level}' does not work here: {reason}")

    def _connect(self) -> socket.socket:
        with self._lock:
            if self._closed:
                raise HarnessError("cannot start a trial: the run has already ended")
            if self._server is None or self._server.poll() is not None:  # a trial may have killed it: same user
                self._start()
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self._socket)
            except OSError:
                connection.close()
                raise
            self._connections.add(connection)
        return connection

    def run(self, request: Request, reference: Weights) -> Outcome:
        """Run a request in a new process. Weights must be finite, with the names, shapes and dtypes of `reference`.

        Raises:
            HarnessError: the trial failed before any code of the submission ran, the server cannot be reached, the run
                was ended, or the disk is full.
        """
        folder = Path(tempfile.mkdtemp(prefix="trial-", dir=self.folder))
        try:
            order = self._order(request, folder).to_line()
            for _ in range(ATTEMPTS):
                events, descriptor = self._exchange(order)
                if events or self._closed:  # otherwise the server or the guardian was killed
                    break
                self._let_end()
            if self._closed:
                raise HarnessError("the run ended during a trial")
            outcome = _outcome(events, descriptor, reference)
        finally:
            _remove(folder)
        if outcome.weights is None:
            # If the disk is still full after removing the trial's folder, the trial did not cause it.
            room = shutil.disk_usage(self.folder).free
            if room < sum(tensor.nbytes for tensor in reference.values()):
                raise HarnessError(
                    f"only {room} bytes free in {self.folder}: free disk space, or set TMPDIR to another folder"
                )
        return outcome

    def _let_end(self) -> None:
        """Wait up to a second for a killed server, and whatever killed it, to end. Retrying at once wastes attempts."""
        server = self._server
        if server is not None:
            with suppress(subprocess.TimeoutExpired):  # the server is alive, so only this trial's process was killed
                server.wait(timeout=1)

    def _order(self, request: Request, folder: Path) -> Order:
        """The order for the server, with all paths as the trial sees them."""
        private = folder / "own"
        private.mkdir()
        if request.sources is not None:
            code = request.sources.write(folder / "code")
            if hash_sources(code) != request.source_hash:
                raise HarnessError(
                    f"the files of submission '{code.name}' for a trial are not those of the plan (hash"
                    f" {request.source_hash[:12]}): start the run again"
                )
            request = replace(request, sources=None, folder=str(code))
        if self.level == "process":
            return Order(request, str(private), None)
        given = {"training_set.safetensors": request.training_set}
        inside = replace(request, training_set=f"{isolation.GIVEN}/training_set.safetensors")
        if request.original is not None:
            given["original.safetensors"] = request.original
            inside = replace(inside, original=f"{isolation.GIVEN}/original.safetensors")
        if request.folder is not None:
            given["code"] = str(folder / "code")
            inside = replace(inside, folder=f"{isolation.GIVEN}/code/{Path(request.folder).name}")
        return Order(inside, "/tmp", isolation.sandbox_command(given, request.device))

    def _exchange(self, order: bytes) -> tuple[dict[str, dict[str, Any]], int | None]:
        """Send an order. Return the events of the trial by name, and a descriptor of its weights file, if any."""
        connection = None
        content, descriptors = b"", list[int]()
        try:
            connection = self._connect()
            connection.sendall(order)
            while True:
                data, received, _, _ = socket.recv_fds(connection, 2**16, 1)
                descriptors += received
                if not data:
                    break
                content += data
        except ConnectionError:
            pass  # keep the events received so far. Without any, the caller tries again.
        except OSError as error:
            raise HarnessError(f"cannot reach the trial server: {error}") from error
        finally:
            if connection is not None:
                with self._lock:
                    self._connections.discard(connection)
                connection.close()
        events = [json.loads(line) for line in content.split(b"\n")[:-1]]
        return {event.pop("event"): event for event in events}, descriptors[0] if descriptors else None


def _outcome(events: dict[str, dict[str, Any]], descriptor: int | None, reference: Weights) -> Outcome:
    end = events.get("ended")
    if "loaded" not in events and not (end and end["loaded"]):
        message = events["broken"]["message"] if "broken" in events else end and end["output"]
        raise HarnessError(f"cannot set up the process of a trial: {message or 'no message'}")
    if end is None:
        return Outcome(None, "crashed: the process that watches it was killed", None, None, None, None, None)
    found = end["reason"] if end["reason"] is not None else _weights(descriptor, reference)
    return Outcome(
        weights=None if isinstance(found, str) else found,
        reason=_readable(found[:400]) if isinstance(found, str) else None,
        detail=_readable(((end["detail"] or "") + end["output"])[-8000:]) or None,
        seconds=end["seconds"],
        processor_seconds=end["processor_seconds"],
        forward_samples=end["forward"],
        backward_samples=end["backward"],
    )


def _weights(descriptor: int | None, reference: Weights) -> Weights | str:
    """Read the weights file of a trial, or return why it is invalid. The file is untrusted and may be anything."""
    if descriptor is None:
        return "invalid weights: it left no file of them"
    limit = sum(tensor.nbytes for tensor in reference.values()) + HEADER_BYTES
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return "invalid weights: it left no file of them"
        if status.st_size > limit:
            return f"invalid weights: a file of {status.st_size} bytes, and the model has {limit - HEADER_BYTES}"
        content = file.read(limit)
    try:
        weights = dict(sorted(load(content).items()))  # sorted, so that the reason always names the same tensor
    except Exception as error:  # untrusted bytes can raise any type
        return f"invalid weights: {error}"
    reason = find_fault(weights, reference)
    return weights if reason is None else f"invalid weights: {reason}"


def _readable(text: str) -> str:
    """Replace characters that a database rejects (NUL, lone surrogates) or that control a terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _remove(folder: Path) -> None:
    """Remove a folder that a trial wrote to. It may contain unreadable or very deeply nested folders."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, str(folder)], stderr=subprocess.DEVNULL, check=False)
