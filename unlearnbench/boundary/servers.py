"""The processes that trials are forked from, one for each Python that runs trials."""

from __future__ import annotations

import json
import os
import site
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unlearnbench.boundary import isolation
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.system.machine import KEEP_MEMORY, device

PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT")


@dataclass
class Server:
    """A server, which runs once it is needed. Not thread-safe.

    Attributes:
        folder: private folder for its socket.
        environment: the environment whose Python it runs. None for that of the harness.
        private: files and folders that trials at level `strict` must not see.
        process: None before the first start. It may have been killed: a trial at level `process` is of the same user.
    """

    level: Isolation
    folder: Path
    environment: Path | None = None
    private: Sequence[Path] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> Path:
        return self.folder / ("server" if self.environment is None else f"server-{self.environment.name}")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process, and wait until it serves.

        Raises:
            UsageError: trials would see a private file, the level does not work here, or nor does the environment.
            HarnessError: it did not start.
        """
        if self.level != "process":
            isolation.refuse_visible(self.private, self.environment)
        # Pass only selected variables: the environment may contain secrets such as a database password.
        variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        variables |= {"HOME": str(self.folder), "USER": "trial", "OMP_NUM_THREADS": "1"}
        variables |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", **KEEP_MEMORY}
        if self.environment is None:  # Python finds what the harness's finds
            variables["PYTHONPATH"] = os.pathsep.join(map(str, isolation.python_path(self.level)))
            if site.ENABLE_USER_SITE:
                variables["PYTHONUSERBASE"] = site.getuserbase()
        self.address.unlink(missing_ok=True)  # left behind by a killed server
        python = isolation.executable(self.environment)
        arguments = [python, "-P", "-m", "unlearnbench.boundary.server", str(self.address)]
        if self.level != "process":
            arguments += [json.dumps(isolation.sandbox_command(device(), self.environment)), device()]
        told = self.level == "process" and self.environment is None
        errors = None if told else self.address.with_suffix(".errors").open("w+b")
        self.process = subprocess.Popen(
            [*isolation.server_command(self.level, self.environment), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=self.folder,
            start_new_session=True,  # Ctrl-C must reach only the harness, which then stops the server
            env=variables,
        )
        assert self.process.stdout is not None
        answer = self.process.stdout.readline().decode().strip()
        if answer == "ready":
            return self.process
        self.process.communicate()
        if errors is None:
            raise HarnessError("the trial server did not start; see its error above")
        errors.seek(0)
        reason = answer or " ".join(errors.read().decode(errors="replace").split())[-1000:]
        if self.environment is None:
            raise UsageError(f"isolation '{self.level}' does not work here: {reason}")
        raise UsageError(f"the environment {self.environment} does not run trials at level '{self.level}': {reason}")

    def connect(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """A connection to the process, which is started if it does not run.

        Raises:
            OSError: it was killed meanwhile.
        """
        process = self.process
        if process is None or process.poll() is not None:
            process = self.start()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self.address))
        except OSError:
            connection.close()
            raise
        return connection, process

    def let_end(self) -> None:
        """Wait up to a second for a killed process, and whatever killed it, to end."""
        process = self.process
        if process is not None:
            with suppress(subprocess.TimeoutExpired):  # it is alive, so only one trial's process was killed
                process.wait(timeout=1)

    def close(self, seconds: float) -> None:
        """End the process, whose trials have ended, within this time."""
        if self.process is None:
            return
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:  # a trial may have stopped it
            self.process.kill()
            self.process.wait()
