"""The source files of a submission, and their hash."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

from unlearnbench.errors import UsageError

LARGEST = 2**18
"""Maximum total size of a submission in bytes: enough for code, too small to carry data."""


def find_sources(folder: Path) -> list[Path]:
    """The files of a submission that are hashed, sorted. A trial gets no other files of the folder."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return [file for file in files if file.suffix not in (".pyc", ".md") and file.name != "submission.toml"]


def hash_sources(folder: Path) -> str:
    """SHA-256 of the names and contents of all source files. Excludes submission.toml, which is stored separately.

    Raises:
        UsageError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in find_sources(folder):
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file} cannot be read ({error.strerror}): make it readable, or remove it") from error
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def check_sources(folder: Path) -> None:
    """Reject symbolic links, which could make the harness copy other files to a trial, and oversized submissions.

    Raises:
        UsageError: the folder contains a symbolic link, or is larger than `LARGEST`.
    """
    for file in folder.rglob("*"):
        if file.is_symlink():
            raise UsageError(f"{file} is a symbolic link: replace it by a copy of the file")
    size = sum(file.stat().st_size for file in find_sources(folder))
    if size > LARGEST:
        raise UsageError(
            f"{folder} has {-(-size // 2**10)} KiB, more than the allowed {LARGEST // 2**10} KiB: remove what is not"
            " code"
        )


def check_package(folder: Path) -> None:
    """Reject a folder with the name of another Python package, under which it could not be imported.

    Raises:
        UsageError: another package has this name.
    """
    name = folder.name
    spec = None if name in sys.stdlib_module_names else importlib.util.find_spec(name)
    elsewhere = spec is not None and spec.origin is not None and Path(spec.origin).parent != folder
    if name in sys.stdlib_module_names or elsewhere:
        raise UsageError(f"{folder}: '{name}' is also the name of another Python package: choose another name")


def find_package(entry: str) -> tuple[Path, str] | None:
    """The first file of the installed package of an entry point, and the hash of its sources. None if not installed."""
    package = entry.split(":")[0].split(".")[0]
    spec = importlib.util.find_spec(package)  # does not run the code of a top-level package
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    if spec.submodule_search_locations:
        return origin, hash_sources(origin.parent)
    return origin, hashlib.sha256(origin.read_bytes()).hexdigest()
