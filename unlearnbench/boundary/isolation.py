"""The isolation levels, and the bubblewrap commands of level `strict`.

    process   a new process with its own folder and environment, running as the current user
    strict    Linux only. Also: no network, no other processes visible, a private /tmp, and read-only access to what
              Python and torch need, the training set, the original and the submission, but to no other files

`strict` uses two commands. The outer one starts the server. The server sees the whole system, but the programs it runs
are mounted read-only, so that a trial cannot overwrite them through /proc/self/exe. The inner one creates the
namespaces of a trial. The process of the trial is forked from the server and then joins them (`boundary.sandbox`), so
that it need not import torch again.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from unlearnbench.errors import UsageError

Isolation = Literal["process", "strict"]
LEVELS: tuple[Isolation, ...] = ("process", "strict")
"""Ordered from weakest to strongest."""

GIVEN = "/given"
"""Folder with the input files of a trial at level `strict`."""

DISK_BYTES = 2**30
"""Maximum number of bytes that a trial may write to its folder."""

SHARED_MEMORY_BYTES = 2**26
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def at_least(level: Isolation) -> tuple[Isolation, ...]:
    """The levels that are at least as strong as this one."""
    return LEVELS[LEVELS.index(level) :]


def require(level: Isolation) -> None:
    """Reject a level that this machine cannot support. The server checks on start whether it actually works.

    Raises:
        UsageError: `strict` on a system other than Linux, or without bubblewrap.
    """
    if level == "process":
        return
    if sys.platform != "linux":
        raise UsageError(f"isolation 'strict' needs Linux, but this is {sys.platform}: use --isolation process")
    if shutil.which("bwrap") is None:
        raise UsageError("isolation 'strict' needs bubblewrap, but `bwrap` is not on the PATH: install it")


def server_command(level: Isolation) -> list[str]:
    """Command prefix to start the server with.

    Root owns the device files, so a trial run by root could change their modes for the whole system. For root, each
    device file is therefore bind-mounted read-only: the device stays writable, but its mode cannot be changed.
    """
    if level == "process":
        return []
    programs = [str(Path(program).resolve()) for program in (sys.executable, _bwrap())]
    read_only = [word for program in programs for word in ("--ro-bind", program, program)]
    command = [_bwrap(), "--dev-bind", "/", "/", *read_only]
    if os.geteuid() != 0:
        return [*command, "--"]
    steps = [f"mount --bind /dev/{name} /dev/{name} && mount -o remount,bind,ro /dev/{name}" for name in DEVICES]
    return [*command, "--cap-add", "CAP_SYS_ADMIN", "--", "sh", "-c", f'{" && ".join(steps)} && exec "$@"', "sh"]


def sandbox_command(given: Mapping[str, str], device: str = "cpu") -> list[str]:
    """Command that creates the namespaces of a trial. They last until its standard input is closed.

    Args:
        given: files and folders to mount in `GIVEN`, by name.
    """
    command = [_bwrap(), "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
    command += ["--cap-drop", "ALL", "--hostname", "trial"]
    command += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
    command += ["--size", str(SHARED_MEMORY_BYTES), "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    command += ["--size", str(DISK_BYTES), "--tmpfs", "/tmp", *_system()]
    if device == "cuda":
        command += ["--ro-bind", "/sys", "/sys"]
        command += [word for file in sorted(Path("/dev").glob("nvidia*")) for word in ("--dev-bind", *[str(file)] * 2)]
    for name, path in given.items():
        command += ["--ro-bind", path, f"{GIVEN}/{name}"]
    return [*command, "--remount-ro", "/", "--", "/bin/sh", "-c", "echo; read _"]


def _bwrap() -> str:
    return shutil.which("bwrap") or "bwrap"


def _system() -> list[str]:
    """Mounts of all that Python and torch need, hiding the data sets that are installed with scikit-learn."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for path in (Path("/", name) for name in ("bin", "sbin", "lib", "lib32", "lib64")):
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    for file in ("/etc/ld.so.cache", "/sys/devices/system/cpu"):
        arguments += ["--ro-bind-try", file, file]
    for folder in _python():
        arguments += ["--ro-bind", str(folder), str(folder)]
    from unlearnbench.problems.datasets import embedded  # imports torch, which reports do not need

    hidden = str(embedded())
    return [*arguments, "--tmpfs", hidden, "--remount-ro", hidden]


def _python() -> list[Path]:
    """Folders of Python, its packages and this package, which an editable installation has outside site-packages."""
    found = [Path(sys.base_prefix), Path(sys.prefix)]
    found += [Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    package = importlib.util.find_spec("unlearnbench")
    assert package is not None
    assert package.origin is not None
    found.append(Path(package.origin).parent)
    covered = [Path("/usr")]
    for folder in sorted(set(found), key=lambda path: len(path.parts)):
        if folder.is_dir() and not any(folder.is_relative_to(other) for other in covered):
            covered.append(folder)
    return covered[1:]
