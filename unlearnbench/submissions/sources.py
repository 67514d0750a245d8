"""The source files of a submission, and their hash."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from unlearnbench.errors import UsageError
from unlearnbench.system.clutter import is_clutter

LARGEST = 2**18
"""Maximum total size of a submission's own files in bytes: enough for code, too small to carry data."""
VENDOR = "vendor"
"""Folder of a submission for copied code of others."""
LARGEST_VENDOR = 2**22
"""Maximum total size of that folder in bytes."""
MOST_FILES = 500
"""Maximum number of files: at level `strict` all are opened at once for each trial."""
LONGEST_PATH = 200
"""Maximum length in bytes of the path of a file in the folder: it is written below other folders."""


@dataclass(frozen=True)
class Sources:
    """The source files of a submission, read once: what was hashed is what runs, whatever happens to the folder.

    Attributes:
        package: name of the folder, under which a trial imports it.
        files: contents by path relative to the folder, in the order in which they are hashed.
    """

    package: str
    files: Mapping[str, bytes]

    @property
    def hash(self) -> str:
        """SHA-256 of the names and contents of all files."""
        return _hash(self.files.items())

    def write(self, parent: Path) -> Path:
        """Write the files to a new folder in `parent`, and return it."""
        folder = parent / self.package
        for name, content in self.files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return folder


def read_sources(folder: Path) -> Sources:
    """Read the source files of a submission: text only, so that a reader sees all that a trial gets.

    Ignored, so not given to trials: clutter (`system.clutter`), *.md, and submission.toml, which is stored separately.

    Raises:
        UsageError: a file is no UTF-8 text, unreadable, or a symbolic link, which could make the harness copy other
            files to a trial; its name is unprintable; its path is longer than `LONGEST_PATH`; there are more than
            `MOST_FILES`; or the files are larger than `LARGEST`, or those of `VENDOR` than `LARGEST_VENDOR`.
    """
    paths = _sources(folder)
    for path in paths:
        if path.is_symlink():
            raise UsageError(f"{path} is a symbolic link: replace it by a copy of the file")
        if not path.name.isprintable():
            raise UsageError(f"{str(path)!r} has unprintable characters in its name: rename it")
        if len(os.fsencode(path.relative_to(folder))) > LONGEST_PATH:
            raise UsageError(f"{path} has a path of over {LONGEST_PATH} bytes in the submission: shorten it")
    paths = [path for path in paths if path.is_file()]
    if len(paths) > MOST_FILES:
        raise UsageError(
            f"{folder} has {len(paths)} files, more than the allowed {MOST_FILES}: remove what is not code"
        )
    vendored = [path for path in paths if path.relative_to(folder).parts[0] == VENDOR]
    _check_size(
        folder, set(paths) - set(vendored), LARGEST, f"remove what is not code; code of others goes to {VENDOR}/"
    )
    _check_size(folder / VENDOR, vendored, LARGEST_VENDOR, "remove what is not code")
    files = {path.relative_to(folder).as_posix(): _content(path) for path in paths}
    for name, content in files.items():
        if not _is_text(content):
            raise UsageError(f"{folder / name} is not a text file (UTF-8 without NUL characters): remove it")
    return Sources(folder.name, files)


def _check_size(folder: Path, files: Iterable[Path], largest: int, advice: str) -> None:
    size = sum(path.stat().st_size for path in files)
    if size > largest:
        raise UsageError(
            f"{folder} has {-(-size // 2**10)} KiB, more than the allowed {largest // 2**10} KiB: {advice}"
        )


def hash_sources(folder: Path) -> str:
    """SHA-256 of the names and contents of the source files in this folder, which may be no text.

    Raises:
        UsageError: a file cannot be read.
    """
    files = (path for path in _sources(folder) if path.is_file())
    return _hash((path.relative_to(folder).as_posix(), _content(path)) for path in files)


def _sources(folder: Path) -> list[Path]:
    """The files, folders and links in this folder that are not ignored, sorted."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not is_clutter(name)]  # the walk leaves out the others
        found += [Path(place, name) for name in (*folders, *files) if not _ignored(name)]
    return sorted(found)


def _ignored(name: str) -> bool:
    return is_clutter(name) or name.endswith(".md") or name == "submission.toml"


def _refuse(error: OSError) -> None:
    raise _unreadable(error.filename, error) from error


def _unreadable(path: Path | str, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be read ({error.strerror}): make it readable, or remove it")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _hash(files: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


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
    return origin, hashlib.sha256(_content(origin)).hexdigest()
