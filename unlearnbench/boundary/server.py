"""The server that trials are forked from. It has imported torch and the contract, and has never held a secret.

    harness ── socket ──> server ── fork ──> guardian ── fork ──> trial

Each connection carries one request and is served by its own guardian (`boundary.guardian`). Run as
`python -m unlearnbench.boundary.server SOCKET [SANDBOX DEVICE]`, where SANDBOX is a sandbox command in JSON, to be
tested before the first trial. Prints `ready`, or why it cannot start. Exits when standard input is closed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

import torch
import torch._dynamo  # the first optimizer of each trial would import it, which takes over a second
import torchvision.models  # noqa: F401  the small ViT would import it

from unlearnbench.boundary import limits, sandbox, system_calls
from unlearnbench.boundary.guardian import guard

LOOK_SECONDS = 1.0


def serve(path: str) -> None:
    """Accept connections until standard input is closed."""
    sandbox.adopt_orphans()  # if a trial kills its guardian, the server kills the orphans instead
    gc.freeze()  # otherwise the first garbage collection of every trial touches, and so copies, all imported pages
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    os.write(1, b"ready\n")
    guardians: set[int] = set()
    while True:
        watched: list[Any] = [listener, 0]
        readable, _, _ = select.select(watched, [], [], LOOK_SECONDS)
        guardians -= _ended()
        for orphan in set(limits.children(os.getpid())) - guardians:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        if 0 in readable and not os.read(0, 1):
            return
        if listener in readable:
            connection, _ = listener.accept()
            pid = os.fork()
            if pid == 0:
                listener.close()
                try:
                    guard(connection)
                except BaseException:
                    with contextlib.suppress(OSError):  # the harness may be gone
                        broken = {"event": "broken", "message": traceback.format_exc()}
                        connection.sendall(json.dumps(broken).encode() + b"\n")
                    os._exit(1)
                os._exit(0)
            guardians.add(pid)
            connection.close()


def _ended() -> set[int]:
    """PIDs of the children that have ended since the last call."""
    ended = set()
    with contextlib.suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            ended.add(pid)
    return ended


def obstacle(command: list[str], device: str) -> str | None:
    """Test a sandbox command. Returns why trials on this device cannot run with it, or None if they can."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            sandbox.start(command, {}).join()
            if os.fork() == 0:
                try:
                    sandbox.give_up_privileges()
                    system_calls.refuse()
                    if device == "cuda":
                        torch.cuda.init()
                except (OSError, RuntimeError) as error:
                    os.write(writer, _why(error, device).encode())
                    os._exit(1)
                os._exit(0)
            os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
        except OSError as error:
            os.write(writer, " ".join(str(error).split())[:1000].encode())
            os._exit(1)
    os.close(writer)
    with open(reader) as file:
        message = file.read()
    failed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
    return message or "its processes cannot give up their privileges" if failed else None


def _why(error: Exception, device: str) -> str:
    """In one line why a trial cannot begin, and what to do where the sandbox is at fault, not the machine."""
    text = " ".join(str(error).split())[:1000]
    if device == "cpu" or isinstance(error, OSError):
        return text
    return (
        f"no GPU is visible within the sandbox ({text}): set CUDA_VISIBLE_DEVICES= (empty) to run on the CPU, or use"
        " --isolation process"
    )


if __name__ == "__main__":
    reason = obstacle(json.loads(sys.argv[2]), sys.argv[3]) if len(sys.argv) > 2 else None
    if reason is None:
        serve(sys.argv[1])
    else:
        os.write(1, reason.encode() + b"\n")
    os._exit(0)  # a normal exit takes seconds to tear down torch
