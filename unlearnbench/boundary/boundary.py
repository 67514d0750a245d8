"""The trusted side of the boundary. Turns a request into an outcome, whatever the submission does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from unlearnbench.boundary import cgroup, isolation
from unlearnbench.boundary.cgroup import Enforcement
from unlearnbench.boundary.cores import reserve
from unlearnbench.boundary.guardian import LOADED, LOADING_SECONDS
from unlearnbench.boundary.isolation import DISK_BYTES, SHARED_MEMORY_BYTES, Isolation
from unlearnbench.boundary.limits import MOST_THREADS
from unlearnbench.boundary.outcome import Outcome, judge
from unlearnbench.boundary.request import Order, Request
from unlearnbench.boundary.servers import Server
from unlearnbench.errors import HarnessError
from unlearnbench.models.weights import Weights
from unlearnbench.submissions.sources import hash_sources
from unlearnbench.system.temporary import PREFIX, shortened

ATTEMPTS = 10
"""Attempts to start a trial, up to a second apart, when other trials of the same user kill it before it reports."""
ANSWER_SECONDS = 30.0
"""Time limit for the server and the guardian to answer, beyond the time limits of the trial, which they enforce."""


class Boundary:
    """Context manager that runs requests in processes forked from servers, with a private temporary folder.

    There is one server for the Python of the harness, and one for each environment that a request names. A server
    starts with its first request. At level `strict`, that of the harness starts on entry, to check that isolation
    works. Leaving the context kills all running trials. Thread-safe.

    Args:
        enforcement: how the limits of trials are held. Default: enforced by the kernel if a control group has been
            delegated to this process, else counted.
        private: files and folders that trials at level `strict` must not see.

    Raises:
        UsageError: on entry, if this machine does not support the isolation level or the enforcement, or if trials
            would see a private file.
    """

    def __init__(
        self, level: Isolation = "process", enforcement: Enforcement | None = None, private: Sequence[Path] = ()
    ):
        self.level, self.wanted, self.private = level, enforcement, tuple(private)

    @property
    def enforcement(self) -> Enforcement:
        return "counted" if self._group is None else "enforced"

    def __enter__(self) -> Self:
        isolation.require(self.level)
        self._group = None
        if self.wanted != "counted":
            self._group = cgroup.find() if self.wanted is None else cgroup.require()
        self._place = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.folder = shortened(self._place)
        self._servers: dict[str | None, Server] = {}
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        if self.level != "process":
            try:
                self._server(None).start()
            except BaseException:
                self._remove_folder()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            for connection in self._connections:
                connection.shutdown(socket.SHUT_RDWR)  # its guardian kills the trial
        for server in self._servers.values():
            server.close(ANSWER_SECONDS)
        self._remove_folder()

    def _remove_folder(self) -> None:
        _remove(self._place)
        if self.folder != self._place:
            self.folder.unlink()

    def _server(self, environment: str | None) -> Server:
        if environment not in self._servers:
            path = None if environment is None else Path(environment)
            self._servers[environment] = Server(self.level, self.folder, path, self.private)
        return self._servers[environment]

    def _connect(self, environment: str | None) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        with self._lock:
            if self._closed:
                raise HarnessError("cannot start a trial: the run has already ended")
            connection, process = self._server(environment).connect()
            self._connections.add(connection)
        return connection, process

    def run(self, request: Request, reference: Weights, trained: Callable[[int], None] | None = None) -> Outcome:
        """Run a request in a new process. Weights must be finite, with the names, shapes and dtypes of `reference`.

        Args:
            trained: for an original, called about once a second with the number of samples it has been trained on.

        Raises:
            HarnessError: the trial failed before any code of the submission ran, the server cannot be reached, the run
                was ended, or the disk is full.
        """
        folder = Path(tempfile.mkdtemp(prefix="trial-", dir=self.folder))
        group = self._new_group(request)
        try:
            with reserve(request.threads) as cores:
                order = replace(self._order(request, folder), cores=cores, group=None if group is None else str(group))
                for _ in range(ATTEMPTS):
                    events, descriptor = self._exchange(order.to_line(), request, trained)
                    if events or self._closed:  # otherwise the server or the guardian was killed
                        break
                    self._server(request.environment).let_end()  # retrying at once wastes attempts
            if self._closed:
                raise HarnessError("the run ended during a trial")
            outcome = judge(events, descriptor, reference)
        finally:
            _remove(folder)
            if group is not None:
                cgroup.remove(group)
        if outcome.weights is None:
            # If the disk is still full after removing the trial's folder, the trial did not cause it.
            _check_room(self.folder, sum(tensor.nbytes for tensor in reference.values()))
        return outcome

    def _new_group(self, request: Request) -> Path | None:
        if self._group is None:
            return None
        # The private disk of a sandbox is in memory, so its size is added. What the trial allocates is also counted.
        disk = 0 if self.level == "process" else DISK_BYTES + SHARED_MEMORY_BYTES
        memory = request.memory_bytes and request.memory_bytes + disk
        return cgroup.create(self._group, memory_bytes=memory, threads=MOST_THREADS)

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
            return Order(request, str(private))
        given = {f"{isolation.GIVEN}/training_set.safetensors": request.training_set}
        inside = replace(request, training_set=f"{isolation.GIVEN}/training_set.safetensors")
        if request.original is not None:
            # The trial can find this path in its memory, and the file is named after its key, a hash of the problem.
            link = folder / "original"
            link.symlink_to(Path(request.original).absolute())
            given[f"{isolation.GIVEN}/original.safetensors"] = str(link)
            inside = replace(inside, original=f"{isolation.GIVEN}/original.safetensors")
        if request.folder is not None:
            code = Path(request.folder)
            inside = replace(inside, folder=f"{isolation.GIVEN}/code/{code.name}")
            given |= {
                f"{inside.folder}/{file.relative_to(code)}": str(file) for file in code.rglob("*") if file.is_file()
            }
        environment = None if request.environment is None else Path(request.environment)
        return Order(inside, "/tmp", sandbox=isolation.sandbox_command(request.device, environment), given=given)

    def _exchange(
        self, order: bytes, request: Request, trained: Callable[[int], None] | None
    ) -> tuple[dict[str, dict[str, Any]], int | None]:
        """Send an order. Return the events of the trial by name, and a descriptor of its weights file, if any.

        The guardian enforces the time limit of the trial. A trial at level `process` can stop the guardian, and even
        the server, so they too have to answer in time.
        """
        connection, guardian, loaded = None, 0, False
        content, descriptors = b"", list[int]()
        try:
            connection, server = self._connect(request.environment)
            deadline = time.monotonic() + ANSWER_SECONDS
            connection.sendall(order)
            while True:
                connection.settimeout(max(0.001, deadline - time.monotonic()))
                data, received, _, _ = socket.recv_fds(connection, 2**16, 1)
                descriptors += received
                if not data:
                    break
                content += data
                first, complete, _ = content.partition(b"\n")
                if complete and not guardian and (guardian := json.loads(first).get("process", 0)):
                    deadline = time.monotonic() + ANSWER_SECONDS + LOADING_SECONDS
                if not loaded and LOADED in content:
                    loaded, deadline = True, time.monotonic() + ANSWER_SECONDS + request.seconds
                if trained is not None and (last := _last_event(content)).get("event") == "trained":
                    trained(last["samples"])
        except ConnectionError:
            pass  # keep the events received so far. Without any, the caller tries again.
        except TimeoutError:
            if guardian:
                with suppress(ProcessLookupError):
                    os.kill(guardian, signal.SIGKILL)
                content += b'{"event": "stopped"}\n'
            else:
                server.kill()  # the next attempt starts another one
        except OSError as error:
            raise HarnessError(f"cannot reach the trial server: {error}") from error
        finally:
            if connection is not None:
                with self._lock:
                    self._connections.discard(connection)
                connection.close()
        lines = [json.loads(line) for line in content.split(b"\n")[:-1]]
        events = {event.pop("event"): event for event in lines}
        for name in ("guarded", "trained"):
            events.pop(name, None)
        return events, descriptors[0] if descriptors else None


def _last_event(content: bytes) -> dict[str, Any]:
    """The last event that has arrived as a whole; empty if there is none."""
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    event: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return event


def _check_room(folder: Path, size: int) -> None:
    """Check that a file of so many bytes can be written: there may be a quota, or a limit on the number of files.

    Raises:
        HarnessError: it cannot.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, max(size, 1))
    except OSError as error:
        raise HarnessError(
            f"cannot write {size} bytes to {folder} ({error.strerror}): free some space, or set TMPDIR to another"
            " folder"
        ) from error


def _remove(folder: Path) -> None:
    """Remove a folder that a trial wrote to. It may contain unreadable or very deeply nested folders."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, str(folder)], stderr=subprocess.DEVNULL, check=False)
