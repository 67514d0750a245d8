"""Create the namespaces of a trial with bubblewrap, join them, and drop privileges. Runs in the server."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unlearnbench.boundary.system_calls import ARCHITECTURES, CLONE_NAMESPACES, REFUSED

KEYCTL_JOIN_SESSION_KEYRING = 1
PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
LAST_CAPABILITY = 63
CAPABILITY_VERSION = 0x20080522

LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Sandbox:
    """The namespaces of one trial.

    Attributes:
        process: the process of bubblewrap.
        first: pidfd of process 1 of the namespaces. When it dies, all other processes in them die too.
    """

    process: subprocess.Popen[bytes]
    first: int

    def join(self) -> None:
        """Join all namespaces. Processes forked afterwards are fully inside, with all capabilities there.

        Raises:
            OSError: not permitted, or Linux is older than 5.8.
        """
        _check(LIBC.setns(self.first, CLONE_NAMESPACES), "joining the sandbox")

    def end(self) -> None:
        """Kill all processes inside. The caller must first kill its own child, the trial, and wait for it."""
        with contextlib.suppress(ProcessLookupError):  # the trial may have killed process 1, and so itself
            signal.pidfd_send_signal(self.first, signal.SIGKILL)
        self.process.communicate()


def start(command: Sequence[str], given: Mapping[str, str]) -> Sandbox:
    """Run a command from `sandbox_command` and wait until its namespaces are ready.

    Args:
        given: files to copy into it, by their path there. The trial does not learn where they came from, and shares no
            lock or page of them with other trials.

    Raises:
        OSError: bubblewrap failed, with its error output as the message.
    """
    information, inside = os.pipe()
    files = {path: os.open(source, os.O_RDONLY) for path, source in given.items()}
    copies = [word for path, file in files.items() for word in ("--perms", "0444", "--file", str(file), path)]
    process = subprocess.Popen(
        [command[0], "--info-fd", str(inside), *copies, *command[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[inside, *files.values()],
    )
    for descriptor in (inside, *files.values()):
        os.close(descriptor)
    assert process.stdout is not None
    if process.stdout.readline() != b"\n":
        _, message = process.communicate()
        raise OSError(message.decode(errors="replace").strip() or f"bwrap ended with code {process.returncode}")
    with open(information) as file:
        return Sandbox(process, os.pidfd_open(json.load(file)["child-pid"]))


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends. Linux only."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Adopt orphaned descendants as children, so that this process can kill them. Linux only."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def give_up_keyring() -> None:
    """Replace the session keyring, which may hold keys of whoever runs the harness, by an empty one."""
    column, _ = ARCHITECTURES[platform.machine()]
    keyctl = REFUSED["keyctl"][column]
    if LIBC.syscall(keyctl, KEYCTL_JOIN_SESSION_KEYRING, None) < 0 and ctypes.get_errno() != errno.ENOSYS:
        _check(-1, "leaving the session keyring")


def give_up_privileges() -> None:
    """Permanently drop all capabilities."""
    _check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "giving up new privileges")
    for capability in range(LAST_CAPABILITY + 1):
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for capabilities that this kernel does not have
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: 64 bits each
    _check(LIBC.capset(header, none), "giving up capabilities")


def _check(result: int, doing: str) -> None:
    if result != 0:
        raise OSError(f"{doing}: {os.strerror(ctypes.get_errno())}")
