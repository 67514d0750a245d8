"""Servers that outlive the run that started them, because loading torch takes longer than most tests."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from unlearnbench.boundary import isolation
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.boundary.servers import PASSED_ON, Server

FOLDER = Path(tempfile.gettempdir())  # as it is before a test changes it
IDLE: dict[tuple[object, ...], list[Server]] = {}
"""The running servers that nobody uses, by what a server takes from the environment."""


@dataclass
class SharedServer(Server):
    """A server of the harness's Python, taken from those that are idle and given back when closed.

    That of another environment, or one that was killed, is started and ended as always.
    """

    taken: Server | None = None

    def start(self) -> subprocess.Popen[bytes]:
        if self.environment is not None:
            return super().start()
        if self.level != "process":
            isolation.refuse_visible(self.private)
        self._leave()
        self.taken = _idle(self.level) or _started(self.level)
        self.address.unlink(missing_ok=True)
        self.address.symlink_to(self.taken.address)
        assert self.taken.process is not None
        self.process = self.taken.process
        return self.process

    def close(self, seconds: float) -> None:
        if self.taken is None or self.process is None or self.process.poll() is not None:
            super().close(seconds)
            self._leave()
        else:
            IDLE.setdefault(_surroundings(self.level), []).append(self.taken)

    def _leave(self) -> None:
        """Remove what a server that was killed has left."""
        if self.taken is not None:
            shutil.rmtree(self.taken.folder)
            self.taken = None


def _idle(level: Isolation) -> Server | None:
    servers = IDLE.get(_surroundings(level), [])
    while servers:
        server = servers.pop()
        if server.process is not None and server.process.poll() is None:
            return server
        shutil.rmtree(server.folder)
    return None


def _started(level: Isolation) -> Server:
    server = Server(level, Path(tempfile.mkdtemp(prefix="server-", dir=FOLDER)))
    try:
        server.start()
    except BaseException:
        shutil.rmtree(server.folder)
        raise
    return server


def _surroundings(level: Isolation) -> tuple[object, ...]:
    """What `Server.start` takes from this process, and the level."""
    variables = [os.environ.get(name) for name in PASSED_ON]
    python = (isolation.executable(None), *isolation.python_path(level))
    return (level, *variables, *python, site.ENABLE_USER_SITE and site.getuserbase())


def end_all() -> None:
    """End all idle servers."""
    for server in [server for servers in IDLE.values() for server in servers]:
        server.close(10)
        shutil.rmtree(server.folder)
    IDLE.clear()
