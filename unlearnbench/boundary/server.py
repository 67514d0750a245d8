"""The server that trials are forked from: it has only imported torch and the contract, and never held a secret.

    harness ── socket ──> server ── fork ──> guardian ── fork ──> trial

Each connection carries one request and gets a guardian (`boundary.guardian`). Run as
`python -m unlearnbench.boundary.server SOCKET [SANDBOX]`; SANDBOX is a command as JSON, to try before the first
trial. On standard output it says `ready`, or what stands in its way. It ends when its standard input does.
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

import torch._dynamo  # noqa: F401  what the first optimizer would import, at over a second a trial
import torchvision.models  # noqa: F401  what the small ViT would import

from unlearnbench.boundary import limits as usage
from unlearnbench.boundary import sandbox
from unlearnbench.boundary.guardian import guard

LOOK_SECONDS = 1.0


def serve(path: str) -> None:
    """Accept connections for ever, until standard input ends."""
    sandbox.adopt_orphans()  # a trial may kill its guardian: what the guardian would have ended comes here
    gc.freeze()  # otherwise every trial's first collection visits, and so copies, all that was imported
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    os.write(1, b"ready\n")
    guardians: set[int] = set()
    while True:
        watched: list[Any] = [listener, 0]
        readable, _, _ = select.select(watched, [], [], LOOK_SECONDS)
        guardians -= _ended()
        for orphan in set(usage.children(os.getpid())) - guardians:
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
    """The children that ended since the last call."""
    ended = set()
    with contextlib.suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            ended.add(pid)
    return ended


def obstacle(command: list[str]) -> str | None:
    """Why no trial could be run in a sandbox made by this command, or None if it could."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            sandbox.start(command).join()
            if os.fork() == 0:
                sandbox.give_up_privileges()
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


if __name__ == "__main__":
    reason = obstacle(json.loads(sys.argv[2])) if len(sys.argv) > 2 else None
    if reason is None:
        serve(sys.argv[1])
    else:
        os.write(1, reason.encode() + b"\n")
    os._exit(0)  # taking torch apart would cost seconds
