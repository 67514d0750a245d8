"""The isolation levels, and the bubblewrap commands of level `strict`.

    process   a new process with its own folder and environment, running as the current user
    strict    Linux only. Also: no network, no other processes visible, a private /tmp, read-only access to what Python
              and torch need, private copies of the training set, the original and the submission, no other files, and
              no system calls that no method needs (`boundary.system_calls`)

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
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from unlearnbench.errors import UsageError
from unlearnbench.system.shipped import INSIDE

Isolation = Literal["process", "strict"]
LEVELS: tuple[Isolation, ...] = ("process", "strict")
"""Ordered from weakest to strongest."""

GIVEN = "/given"
"""Folder with the input files of a trial at level `strict`."""

SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders of the system that a trial sees, in / and /usr. Not /usr/share, which may hold data sets."""
PREFIX = ("bin", "lib", "lib64", "include", "pyvenv.cfg")
"""What a trial sees of the prefix of Python, which may be the folder of a project with data and results."""
PROC = {"cpuinfo", "filesystems", "meminfo", "mounts", "net", "self", "stat", "sys", "thread-self", "uptime", "version"}
"""What a trial sees in /proc besides its own processes. The rest tells root about other trials and the kernel."""
PROC_CUDA = {"devices", "driver", "modules"}

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


def server_command(level: Isolation, environment: Path | None = None) -> list[str]:
    """Command prefix to start the server with.

    Root owns the device files, so a trial run by root could change their modes for the whole system. For root, each
    device file is therefore bind-mounted read-only: the device stays writable, but its mode cannot be changed.
    """
    if level == "process":
        return []
    programs = [str(Path(program).resolve()) for program in (executable(environment), _bwrap())]
    read_only = [word for program in programs for word in ("--ro-bind", program, program)]
    command = [_bwrap(), "--dev-bind", "/", "/", *read_only]
    if os.geteuid() != 0:
        return [*command, "--"]
    steps = [f"mount --bind /dev/{name} /dev/{name} && mount -o remount,bind,ro /dev/{name}" for name in DEVICES]
    return [*command, "--cap-add", "CAP_SYS_ADMIN", "--", "sh", "-c", f'{" && ".join(steps)} && exec "$@"', "sh"]


def sandbox_command(device: str = "cpu", environment: Path | None = None) -> list[str]:
    """Command that creates the namespaces of a trial. They last until its standard input is closed.

    `sandbox.start` inserts the files in `GIVEN`.
    """
    seen = visible(device, environment)
    command = [_bwrap(), "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
    command += ["--cap-drop", "ALL", "--hostname", "trial"]
    command += ["--proc", "/proc", *_hidden_in_proc(device), "--remount-ro", "/proc", "--dev", "/dev"]
    command += ["--size", str(SHARED_MEMORY_BYTES), "--perms", "1777", "--tmpfs", "/dev/shm"]
    gpus = sorted(Path("/dev").glob("nvidia*")) if device == "cuda" else []
    command += [word for file in gpus for word in ("--dev-bind", str(file), str(file))]
    command += ["--remount-ro", "/dev"]
    command += ["--size", str(DISK_BYTES), "--tmpfs", "/tmp"]
    for path in seen:
        command += ["--symlink", os.readlink(path), str(path)] if path.is_symlink() else ["--ro-bind", *[str(path)] * 2]
    for folder in _hidden(seen):
        command += ["--tmpfs", str(folder), "--remount-ro", str(folder)]
    if device == "cuda":
        command += ["--ro-bind", "/sys", "/sys"]
    return [*command, "--remount-ro", "/", "--", "/bin/sh", "-c", "echo; read _"]


def _bwrap() -> str:
    return shutil.which("bwrap") or "bwrap"


def refuse_visible(private: Iterable[Path], environment: Path | None = None) -> None:
    """Check that trials at level `strict` cannot see these files and folders.

    Raises:
        UsageError: one of them lies in a folder that trials see.
    """
    folders = [folder.resolve() for folder in visible(environment=environment)]
    for path in private:
        if INSIDE.is_dir() and path.resolve().is_relative_to(INSIDE.resolve()):  # hidden
            continue
        for folder in folders:
            if path.resolve().is_relative_to(folder):
                raise UsageError(
                    f"isolation 'strict' shows {folder} to trials, and with it {path}: move it to another folder"
                )


def refuse_invisible(packages: Mapping[str, Path]) -> None:
    """Check that trials at level `strict` can see these packages.

    Args:
        packages: folders that they are imported from, by name.

    Raises:
        UsageError: one of them lies elsewhere, as one in editable mode does.
    """
    folders = [folder.resolve() for folder in visible()]
    for name, place in packages.items():
        if not any(place.resolve().is_relative_to(folder) for folder in folders):
            raise UsageError(
                f"isolation 'strict' does not show {place}, with package '{name}', to trials: install it without"
                " --editable, or use --isolation process"
            )


def visible(device: str = "cpu", environment: Path | None = None) -> list[Path]:
    """Files and folders of the system and of Python that a trial sees, parents first.

    Args:
        environment: the environment whose Python runs the trial. Default: that of the harness.
    """
    system = [Path("/", prefix, name) for prefix in ("", "usr") for name in SYSTEM]
    system += [Path("/usr", name) for name in ("include", "libexec", "share/zoneinfo")]
    system += [Path("/usr/local", name) for name in PREFIX]
    system += [Path("/etc/ld.so.cache"), Path("/sys/devices/system/cpu")]
    system += sorted(Path("/usr/local").glob("cuda*")) if device == "cuda" else []
    python = [Path(prefix, name) for prefix in prefixes(environment) for name in PREFIX]
    if environment is None:
        python += [Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
        python += python_path("strict")
    package = importlib.util.find_spec("unlearnbench")  # an editable installation has it elsewhere
    assert package is not None
    assert package.origin is not None
    found = list[Path]()
    for path in [*system, *sorted([*python, Path(package.origin).parent], key=lambda path: len(path.parts))]:
        if (path.exists() or path.is_symlink()) and not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return found


def prefixes(environment: Path | None = None) -> set[str]:
    """Where Python is installed: the virtual environment, and the installation that it was made from."""
    return {sys.prefix if environment is None else str(environment), sys.base_prefix}


def executable(environment: Path | None = None) -> str:
    """The Python that runs trials: that of an environment, or of the harness."""
    return sys.executable if environment is None else str(environment / "bin" / "python")


def python_path(level: Isolation) -> list[Path]:
    """The folders of PYTHONPATH that trials import from, as modules of clusters set it.

    At level `strict` those with installed packages only: the others are folders of projects, which may hold anything.
    """
    entries = [Path(entry).absolute() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return [entry for entry in entries if level == "process" or any(entry.glob("*.dist-info"))]


def _hidden(folders: Iterable[Path]) -> list[Path]:
    """Folders in these that a trial sees empty: the shipped suites and submissions, the data sets of scikit-learn.

    There may be several copies of scikit-learn.
    """
    inside = "sklearn/datasets/data"
    patterns = [f"{packages}{inside}" for packages in ("", "*-packages/", "python*/*-packages/")]
    found = {hit.resolve() for folder in folders for pattern in patterns for hit in folder.glob(pattern)}
    return sorted(found | {INSIDE} if INSIDE.is_dir() else found)


def _hidden_in_proc(device: str) -> list[str]:
    shown = PROC | (PROC_CUDA if device == "cuda" else set())
    arguments = list[str]()
    for path in sorted(Path("/proc").iterdir()):
        if path.name.isdigit() or path.name in shown:
            continue
        arguments += ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", os.devnull, str(path)]
    return arguments
