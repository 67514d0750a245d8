"""The server that trials are forked from: it has only imported torch and the contract, and never held a secret.

    harness ── socket ──> server ── fork ──> guardian ── fork ──> trial

Each connection carries one request and gets a guardian, which forks the trial, passes its reports on, kills it when
its time is over or the harness is gone, and last says how it ended. Run as `python -m unlearnbench.engine.forkserver
SOCKET`; it ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from typing import Any

import torch._dynamo  # noqa: F401  what the first optimizer would import, at over a second a trial

from unlearnbench.engine import child

LOADING_SECONDS = 300.0  # for the harness's own part, before the clock of the method runs
PR_SET_CHILD_SUBREAPER = 36


def serve(path: str) -> None:
    """Accept connections for ever, until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # guardians need nobody to wait for them
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    os.write(1, b"ready\n")
    while True:
        watched: list[Any] = [listener, 0]
        readable, _, _ = select.select(watched, [], [])
        if 0 in readable and not os.read(0, 1):
            return
        if listener in readable:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                try:
                    guard(connection)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            connection.close()


def guard(connection: socket.socket) -> None:
    """Serve one request: fork the trial, watch it, report its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":  # a trial's own orphans come to this process, so they can be ended with it
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    request = json.loads(connection.makefile("rb").readline())
    reports, report = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reports)
        try:
            _enter(request, connection, report)
            child.work(request, report)
        except BaseException:
            traceback.print_exc()  # into the trial's own output, which the harness reads
            os._exit(1)
        os._exit(0)
    os.close(report)
    status, timed_out = _watch(pid, reports, connection, request["seconds"])
    _end_all(pid)
    end = {"event": "ended", "timed_out": timed_out, "code": os.waitstatus_to_exitcode(status)}
    connection.sendall((json.dumps(end) + "\n").encode())


def _enter(request: dict[str, Any], connection: socket.socket, report: int) -> None:
    """Make the surroundings of the trial bare: own session, own folder, own output, no other descriptor."""
    os.setsid()
    os.chdir(request["private"])
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    connection.detach()
    os.closerange(3, report)
    os.closerange(report + 1, 4096)
    os.environ["TMPDIR"] = os.environ["HOME"] = request["private"]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _watch(pid: int, reports: int, connection: socket.socket, seconds: float) -> tuple[int, bool]:
    """Pass reports on until the trial ends; its wait status, and whether its time was over."""
    deadline = time.monotonic() + LOADING_SECONDS
    buffer, open_pipe, timed_out = b"", True, False
    while True:
        watched: list[Any] = [connection, reports] if open_pipe else [connection]
        readable, _, _ = select.select(watched, [], [], 0.25 if open_pipe else 0.005)
        if reports in readable:
            data = os.read(reports, 65536)
            open_pipe = bool(data)
            connection.sendall(data)
            buffer += data
            if b'"loaded"' in buffer or b'"started"' in buffer:
                deadline, buffer = time.monotonic() + seconds, b""
        if connection in readable:  # the harness says nothing after its request: it is gone
            _end_all(pid)
            os._exit(0)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            while open_pipe and select.select([reports], [], [], 0)[0] and (data := os.read(reports, 65536)):
                connection.sendall(data)
            return status, timed_out
        if time.monotonic() > deadline:
            timed_out = True
            os.kill(pid, signal.SIGKILL)  # the rest of its group follows in _end_all


def _end_all(pid: int) -> None:
    """Kill what is left of the trial: its process group, then every orphan that came to this process."""
    with contextlib.suppress(ProcessLookupError):  # nothing is left of the group: the usual case
        os.killpg(pid, signal.SIGKILL)
    children = f"/proc/self/task/{os.getpid()}/children"
    while os.path.exists(children):
        with open(children) as file:
            orphans = [int(number) for number in file.read().split()]
        if not orphans:
            return
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)


if __name__ == "__main__":
    serve(sys.argv[1])
    os._exit(0)  # taking torch apart would cost seconds
