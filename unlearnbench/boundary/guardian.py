"""The process that watches one trial. It forks the trial, reads its reports, kills it and reports the outcome.

Nothing that a trial reports about itself is trusted. The guardian measures wall-clock and processor time, and truncates
output. It kills all processes of the trial after the last report. Only then it opens the weights file, which nothing
can modify any more, and passes on its descriptor.
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

from unlearnbench.boundary import child, limits, sandbox, system_calls
from unlearnbench.boundary.cgroup import Group
from unlearnbench.boundary.isolation import DISK_BYTES
from unlearnbench.boundary.request import Order, read_order

LOADED = b'{"event": "loaded"}\n'
LOADING_SECONDS = 300.0  # time limit for setting up the trial, before the method's clock starts
LOOK_SECONDS = 0.25
OUTPUT_KEPT = 4000
LONGEST_REPORT = 2**16
PHASES = ("loaded", "finished", "failed")


def guard(connection: socket.socket) -> None:
    """Serve one request. Answers with JSON lines: `guarded`, `loaded` once the problem is ready, then `ended`. Between
    these, `trained` for originals.
    """
    order = read_order(connection.makefile("rb").readline())
    connection.sendall(json.dumps({"event": "guarded", "process": os.getpid()}).encode() + b"\n")
    group = Group.open(order.group) if order.group else None
    own = sandbox.start(order.sandbox, order.given) if order.sandbox else None
    if own is None:
        sandbox.adopt_orphans()
    else:
        own.join()
    trial = _fork(order, connection, own, group)
    end = trial.watch(connection, order.request.seconds)
    trial.end()
    descriptors = []
    if end["reason"] is None:
        with contextlib.suppress(OSError):
            # The trial may have put a link or a FIFO there: do not follow or block.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptors = [os.open("weights.safetensors", flags, dir_fd=trial.folder)]
    line = json.dumps({"event": "ended", **end, "output": trial.output.decode(errors="replace")})
    content = line.encode() + b"\n"
    sent = socket.send_fds(connection, [content], descriptors)
    connection.sendall(content[sent:])


def _fork(order: Order, connection: socket.socket, own: sandbox.Sandbox | None, group: Group | None) -> Trial:
    folder = os.open(order.private, os.O_RDONLY | os.O_DIRECTORY)
    (reports, report), (printed, output), (start, clock) = os.pipe(), os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            connection.detach()
            if group is not None:
                group.enter()
            _enter(order, start, report, output)
            child.work(order, report)
        except BaseException:
            traceback.print_exc()  # to the output of the trial, which the guardian reads
            os._exit(1)
        os._exit(0)
    for descriptor in (report, output, start):
        os.close(descriptor)
    os.fchdir(folder)
    return Trial(pid, reports, printed, clock, folder, order.request.memory_bytes, own, group)


def _enter(order: Order, start: int, report: int, output: int) -> None:
    """Isolate the process of the trial: own session and folder, no inherited descriptors, no capabilities."""
    os.setsid()
    os.chdir(order.private)
    if order.cores:
        os.sched_setaffinity(0, order.cores)
    os.dup2(start, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, report)
    os.closerange(report + 1, 4096)
    os.environ["TMPDIR"] = os.environ["HOME"] = order.private
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)  # set by an import in the server, and shared by all trials
    tempfile.tempdir = None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_BYTES, DISK_BYTES))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = limits.MOST_OPEN_ALONE if most == resource.RLIM_INFINITY else min(most, limits.MOST_OPEN_ALONE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened, opened))
    sandbox.die_with_parent()
    if order.sandbox:
        sandbox.give_up_keyring()
        sandbox.give_up_privileges()
        system_calls.refuse()


@dataclass
class Trial:
    """The process of a trial, its pipes and folder, and what it has reported so far.

    Attributes:
        reports: read end of the pipe with the reports of the trial.
        printed: read end of the pipe with its output.
        clock: write end of the pipe that tells it that its clock runs. It must not begin before, or it could stop this
            process while nobody limits its time.
        memory_bytes: memory limit of all its processes together. 0 for no limit.
        own: its sandbox, or None at level `process`.
        group: its control group, or None if its limits are counted.
        at: time of the first report of each phase.
        report: the `finished` or `failed` report. Later reports are ignored.
        processor: processor seconds since `loaded`, including the import of the submission. None before `loaded`, and
            if unknown.
        times: the latest measurement behind `processor`, without a control group.
        before: processor seconds of the control group at `loaded`.
        trained: the number of samples in the latest `trained` report, until it is passed on.
    """

    pid: int
    reports: int
    printed: int
    clock: int
    folder: int
    memory_bytes: int
    own: sandbox.Sandbox | None
    group: Group | None
    at: dict[str, float] = field(default_factory=dict)
    report: dict[str, Any] | None = None
    processor: float | None = None
    times: limits.Times = field(default_factory=dict)
    before: float = 0.0
    trained: int | None = None
    output: bytes = b""
    ended: bool = False
    _unread: bytes = b""

    def watch(self, connection: socket.socket, seconds: float) -> dict[str, Any]:
        """Wait until the trial reports its end, exits or exceeds a limit. Returns the content of the `ended` event."""
        begin, look, status, reason = time.monotonic(), 0.0, 0, None
        pipes = [self.reports, self.printed]
        while self.report is None:
            watched: list[Any] = [connection, *pipes]
            readable, _, _ = select.select(watched, [], [], LOOK_SECONDS if pipes else 0.005)
            if connection in readable:  # the harness sends nothing after its request, so it has ended
                self.end()
                os._exit(0)
            for pipe in pipes[:]:
                if pipe in readable and not self._read(pipe):
                    pipes.remove(pipe)
            if "loaded" in self.at and begin < self.at["loaded"]:
                begin = self.at["loaded"]
                connection.sendall(LOADED)
                with contextlib.suppress(BrokenPipeError):  # it has been killed meanwhile
                    os.write(self.clock, b"1")
            now = time.monotonic()
            if now > begin + (seconds if "loaded" in self.at else LOADING_SECONDS):
                reason = f"timeout: over {seconds:g} s"
            elif self.report is None and now > look:
                look, reason = now + LOOK_SECONDS, self._too_much()
                self._count_processor()
                self._pass_on(connection)
            if reason is not None:
                break
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.ended = True
                self._drain(self.reports)
                break
        end = time.monotonic()
        self._count_processor()  # before killing anything, because the kernel loses the times of some killed processes
        return self._end(reason, os.waitstatus_to_exitcode(status), end)

    def _pass_on(self, connection: socket.socket) -> None:
        if self.trained is not None:
            with contextlib.suppress(OSError):  # if the harness has ended, the next look finds out
                connection.sendall(json.dumps({"event": "trained", "samples": self.trained}).encode() + b"\n")
            self.trained = None

    def _too_much(self) -> str | None:
        if self.own is not None:
            return limits.exceeded(limits.inside(), self.memory_bytes, ".", "/dev/shm")
        return limits.exceeded(limits.descendants(), self.memory_bytes, ".")

    def _count_processor(self) -> None:
        if self.processor is None:
            return
        if self.group is not None:
            self.processor = self.group.processor_seconds() - self.before
        else:
            now = self._look()
            self.processor += limits.used(self.times, now)
            self.times = now

    def _start_counting(self) -> None:
        if self.group is not None:
            self.before, self.processor = self.group.processor_seconds(), 0.0
        else:
            self.times = self._look()
            self.processor = 0.0 if self.times else None

    def _look(self) -> limits.Times:
        return limits.times(limits.descendants() if self.own is None else limits.sandboxed(), self.times)

    def _end(self, reason: str | None, code: int, now: float) -> dict[str, Any]:
        report = self.report or {}
        begin = self.at.get("loaded")
        if self.group is not None and self.group.out_of_memory():
            reason = f"memory: over {self.memory_bytes / 2**30:g} GiB"
        elif reason is None and self.report is None:
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
        """Read what is available. False if the pipe is closed."""
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
            if phase == "trained":
                self.trained = _count(report, "samples")
            if phase in PHASES and phase not in self.at and self.report is None:
                self.at[phase] = time.monotonic()
                if phase == "loaded":
                    self._start_counting()
                if phase in ("finished", "failed"):
                    self.report = report
        return bool(data)

    def _drain(self, pipe: int) -> None:
        """Read what is left, at most the capacity of a pipe, because a process may still be writing."""
        for _ in range(64):
            if not select.select([pipe], [], [], 0)[0] or not self._read(pipe):
                break

    def end(self) -> None:
        """Kill all processes of the trial and read the rest of its output."""
        if self.own is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # usually the group is already gone
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
    """Kill all children of this process, including orphans that it adopts meanwhile."""
    for _ in range(1000):  # more rounds would not stop a trial that forks faster than this
        orphans = limits.children(os.getpid())
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
