"""The files that a submission consists of: which they are, and their hash."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

from unlearnbench.errors import UsageError

LARGEST = 2**18
"""Bytes of all files of a submission: enough for code, little for data that a method should not carry."""


def find_sources(folder: Path) -> list[Path]:
    """The files of a submission that are hashed, sorted; a trial gets to see these and no others."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return [file for file in files if file.suffix not in (".pyc", ".md") and file.name != "submission.toml"]


def hash_sources(folder: Path) -> str:
    """SHA-256 of every source file's name and content; submission.toml is data and stored by itself.

    Raises:
        UsageError: a file that cannot be read.
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
    """Refuse links, by which a submission could have files of others copied to it, and more than code takes.

    Raises:
        UsageError: naming the link, or the size.
    """
    for file in folder.rglob("*"):
        if file.is_symlink():
            raise UsageError(f"{file} is a symbolic link: a submission holds its own files, so copy what it points to")
    size = sum(file.stat().st_size for file in find_sources(folder))
    if size > LARGEST:
        raise UsageError(
            f"{folder} holds {-(-size // 2**10)} KiB, more than the {LARGEST // 2**10} KiB that a submission may have:"
            " remove what is not code"
        )


def check_package(name: str, source: str) -> None:
    """Refuse a name under which a folder cannot be imported, because another package has it.

    Args:
        source: what the error begins with.

    Raises:
        UsageError: naming it.
    """
    spec = None if name in sys.stdlib_module_names else importlib.util.find_spec(name)
    if name in sys.stdlib_module_names or (spec is not None and spec.origin is not None):
        raise UsageError(f"{source}: '{name}' is also the name of another Python package: choose another name")


def find_package(entry: str) -> tuple[Path, str] | None:
    """The first file of the installed package that an entry names, and the hash of its sources; None without one."""
    package = entry.split(":")[0].split(".")[0]
    spec = importlib.util.find_spec(package)  # finds the files of a top-level package without running it
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    if spec.submodule_search_locations:
        return origin, hash_sources(origin.parent)
    return origin, hashlib.sha256(origin.read_bytes()).hexdigest()
