"""The process that watches one trial: it forks it, hears its reports, ends it, and says what became of it.

A trial is not believed. Its time is taken here, by the clock and by what the kernel says that all of its processes
used of the processors; after its last report it is ended; what it prints is cut here; the
file with its weights is opened here, when nothing of it is left that could change it, and handed on as a descriptor.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from unlearnbench.boundary import child, sandbox
from unlearnbench.boundary import limits as usage
from unlearnbench.boundary.isolation import DISK_BYTES
from unlearnbench.boundary.request import Order, read_order

LOADING_SECONDS = 300.0  # for the harness's own part, before the clock of the method runs
LOOK_SECONDS = 0.25
OUTPUT_KEPT = 4000
LONGEST_REPORT = 2**16
PHASES = ("loaded", "started", "finished", "failed")


def guard(connection: socket.socket) -> None:
    """Serve one request; the answers are JSON lines: `loaded` when the method's part begins, then `ended`."""
    order = read_order(connection.makefile("rb").readline())
    own = sandbox.start(order.sandbox) if order.sandbox else None
    if own is None:
        sandbox.adopt_orphans()
    else:
        own.join()
    trial = _fork(order, connection, own)
    end = trial.watch(connection, order.request.seconds)
    trial.end()
    descriptors = []
    if end["reason"] is None:
        with contextlib.suppress(OSError):
            # Neither a link nor something that never ends: the trial chose what lies there.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptors = [os.open("weights.safetensors", flags, dir_fd=trial.folder)]
    line = json.dumps({"event": "ended", **end, "output": trial.output.decode(errors="replace")})
    content = line.encode() + b"\n"
    sent = socket.send_fds(connection, [content], descriptors)
    connection.sendall(content[sent:])


def _fork(order: Order, connection: socket.socket, own: sandbox.Sandbox | None) -> Trial:
    folder = os.open(order.private, os.O_RDONLY | os.O_DIRECTORY)
    (reports, report), (printed, output) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            connection.detach()
            _enter(order, report, output)
            child.work(order, report)
        except BaseException:
            traceback.print_exc()  # into the trial's own output, which the harness reads
            os._exit(1)
        os._exit(0)
    os.close(report)
    os.close(output)
    os.fchdir(folder)
    return Trial(pid, reports, printed, folder, order.request.memory_bytes, own)


def _enter(order: Order, report: int, output: int) -> None:
    """Make the surroundings of the trial bare: own session, own folder, no other descriptor, no capability."""
    os.setsid()
    os.chdir(order.private)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, report)
    os.closerange(report + 1, 4096)
    os.environ["TMPDIR"] = os.environ["HOME"] = order.private
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)  # set by an import in the server, and shared by all
    tempfile.tempdir = None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_BYTES, DISK_BYTES))
    if order.sandbox:
        sandbox.give_up_privileges()
    sandbox.die_with_parent()


@dataclass
class Trial:
    """A trial's process, its two pipes, its folder, and what has come of them so far.

    Attributes:
        memory_bytes: what all its processes may take together; 0 for no limit.
        own: its sandbox, whose file system sees to the limit on the disk; None at the level `process`.
        at: when each phase was reported first.
        report: `finished` or `failed`, the last that is listened to.
        processor: processor seconds since `loaded`, which is before the submission was imported; None before, and where
            the system does not tell. `times` is the last look.
    """

    pid: int
    reports: int
    printed: int
    folder: int
    memory_bytes: int
    own: sandbox.Sandbox | None
    at: dict[str, float] = field(default_factory=dict)
    report: dict[str, Any] | None = None
    processor: float | None = None
    times: usage.Times = field(default_factory=dict)
    output: bytes = b""
    ended: bool = False
    _unread: bytes = b""

    def watch(self, connection: socket.socket, seconds: float) -> dict[str, Any]:
        """Listen until the trial says its last, ends, or has used up its time or disk; then what is to be recorded."""
        begin, look, status, reason = time.monotonic(), 0.0, 0, None
        pipes = [self.reports, self.printed]
        while self.report is None:
            watched: list[Any] = [connection, *pipes]
            readable, _, _ = select.select(watched, [], [], LOOK_SECONDS if pipes else 0.005)
            if connection in readable:  # the harness says nothing after its request: it is gone
                self.end()
                os._exit(0)
            for pipe in pipes[:]:
                if pipe in readable and not self._read(pipe):
                    pipes.remove(pipe)
            if "loaded" in self.at and begin < self.at["loaded"]:
                begin = self.at["loaded"]
                connection.sendall(b'{"event": "loaded"}\n')
            now = time.monotonic()
            if now > self.at.get("started", begin) + (seconds if "loaded" in self.at else LOADING_SECONDS):
                reason = f"timeout: over {seconds:g} s"
            elif now > look:
                look, reason = now + LOOK_SECONDS, self._too_much()
                self._count_processor()
            if reason is not None:
                break
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.ended = True
                self._drain(self.reports)
                break
        end = time.monotonic()
        self._count_processor()  # nothing of it was killed yet: the kernel forgets the time of some that are
        return self._end(reason, os.waitstatus_to_exitcode(status), end)

    def _too_much(self) -> str | None:
        if self.own is not None:
            return usage.disk(".", "/dev/shm") or usage.processes(usage.inside(), self.memory_bytes)
        return usage.disk(".") or usage.processes(usage.descendants(), self.memory_bytes)

    def _count_processor(self) -> None:
        if self.processor is not None:
            now = self._look()
            self.processor += usage.used(self.times, now)
            self.times = now

    def _look(self) -> usage.Times:
        return usage.times(usage.descendants() if self.own is None else usage.sandboxed(), self.times)

    def _end(self, reason: str | None, code: int, now: float) -> dict[str, Any]:
        report = self.report or {}
        # Who keeps `started` back is counted from before it.
        begin = self.at.get("started", self.at.get("loaded") if "finished" in self.at else None)
        if reason is None and self.report is None:
            reason = f"crashed: signal {-code}" if code < 0 else f"exited: code {code} without a result"
        elif reason is None and report["event"] == "failed":
            reason = _text(report, "reason", 400) or "failed without a reason"
        counts = {name: _count(report, name) for name in ("forward", "backward")}
        return {
            "loaded": "loaded" in self.at,
            "reason": reason,
            "detail": _text(report, "detail", 4000),
            "seconds": None if begin is None else now - begin,
            "processor_seconds": self.processor,
            **counts,
        }

    def _read(self, pipe: int) -> bool:
        """Take what there is; false if nobody can write to it any more."""
        data = os.read(pipe, 2**16)
        if pipe == self.printed:
            self.output = (self.output + data)[-OUTPUT_KEPT:]
            return bool(data)
        *lines, rest = (self._unread + data).split(b"\n")
        self._unread = rest[-LONGEST_REPORT:]
        for line in lines:
            try:
                report = json.loads(line)
            except (ValueError, RecursionError):
                continue  # something else wrote to the pipe
            phase = report.get("event") if isinstance(report, dict) else None
            if phase in PHASES and phase not in self.at and self.report is None:
                self.at[phase] = time.monotonic()
                if phase == "loaded":
                    self.times = self._look()
                    self.processor = 0.0 if self.times else None
                if phase in ("finished", "failed"):
                    self.report = report
        return bool(data)

    def _drain(self, pipe: int) -> None:
        """Take what is left; no more than a pipe can hold, for somebody may still be writing."""
        for _ in range(64):
            if not select.select([pipe], [], [], 0)[0] or not self._read(pipe):
                break

    def end(self) -> None:
        """Kill the trial and all that it left, and read the rest of what it printed."""
        if self.own is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left of the group: as usual
                os.killpg(self.pid, signal.SIGKILL)
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.own is None:
            end_children()
        else:
            self.own.end()
        self._drain(self.printed)


def end_children() -> None:
    """Kill every child of this process, and those that come to it then."""
    for _ in range(1000):  # a trial that forks faster than this is not stopped by more of it
        orphans = usage.children(os.getpid())
        if not orphans:
            return
        for orphan in orphans:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)


def _text(report: dict[str, Any], name: str, length: int) -> str | None:
    value = report.get(name)
    return value[:length] if isinstance(value, str) else None


def _count(report: dict[str, Any], name: str) -> int | None:
    value = report.get(name)
    return value if type(value) is int and 0 <= value < 2**63 else None
