"""The levels of isolation, and the bubblewrap commands of the strict one.

    process   a fresh process with its own folder and environment; it runs as the user
    strict    Linux: also no network, no process but its own in sight, and no file but what Python and torch need,
              the training set, the original and the submission's own folder, all read-only; /tmp is its own

Two commands. The outer one starts the server that trials are forked from: it sees the system as it is, but no trial
can write, through /proc/self/exe and the like, to the programs that run it. The inner one makes a trial's namespaces;
the trial's process, forked from the server, then joins them (`boundary.sandbox`), so torch need not be imported again.
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
"""From the lowest to the highest."""

GIVEN = "/given"
"""Where a strict trial finds what it was given."""

DISK_BYTES = 2**30
"""What a trial may write to its folder."""

SHARED_MEMORY_BYTES = 2**26
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def at_least(level: Isolation) -> tuple[Isolation, ...]:
    """The levels that guarantee what this one does."""
    return LEVELS[LEVELS.index(level) :]


def require(level: Isolation) -> None:
    """Refuse a level that this machine cannot have at all; whether it really works, the server tries when it starts.

    Raises:
        UsageError: not Linux, or no bubblewrap.
    """
    if level == "process":
        return
    if sys.platform != "linux":
        raise UsageError(f"isolation 'strict' needs Linux, this is {sys.platform}: run with --isolation process")
    if shutil.which("bwrap") is None:
        raise UsageError("isolation 'strict' needs bubblewrap, and there is no `bwrap` on the PATH: install it")


def server_command(level: Isolation) -> list[str]:
    """What to start the server through.

    For root one more step: the device files belong to it, so a trial could take them away from everybody. They get
    mounts of their own, which are then read-only: what lies behind can be written to, but modes cannot be changed.
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
    """What makes a trial's namespaces; they last as long as its standard input.

    Args:
        given: names under `GIVEN` and the files or folders that are to be seen there.
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
    """What Python and torch need, less the data sets that lie among it."""
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
    from unlearnbench.problems.datasets import embedded  # imports torch, which reports do without

    hidden = str(embedded())
    return [*arguments, "--tmpfs", hidden, "--remount-ro", hidden]


def _python() -> list[Path]:
    """Python itself, its packages, and this one: an editable installation also has the repository on its path."""
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
