"""Writing a file whole: what was there before is replaced at the end, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unlearnbench.errors import UsageError

SQLITE = b"SQLite format 3\0"
"""The first bytes of a store on disk."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write to, of the same suffix and folder, that takes the place of `path` when the block ends well.

    So a full disk or a signal leaves the old file. What is not a regular file, such as /dev/stdout, is written itself.

    Raises:
        UsageError: `path` is a store, or cannot be written.
    """
    whole = Path(os.path.realpath(path))  # a link stays one
    part = whole.with_name(f".{whole.stem}.part-{secrets.token_hex(8)}{whole.suffix}")  # nobody has put a link there
    try:
        check_writable(path)
        if whole.exists() and not whole.is_file():
            part = whole
        whole.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if part != whole:
            part.replace(whole)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if part != whole:
            with suppress(OSError):  # its folder may be none, which the error above says
                part.unlink()


def check_writable(path: Path, *read: Path | None) -> None:
    """Check that a result may be written here, before the work is done.

    Args:
        read: files that the work reads.

    Raises:
        UsageError: it is a folder, a store, or one of `read`.
    """
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder; give the name of a file in it")
    if path.resolve() in [file.resolve() for file in read if file is not None]:
        raise UsageError(f"cannot write {path}: it is read for this; choose another file")
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(SQLITE)) == SQLITE:
                raise UsageError(f"cannot write {path}: it is a store, and its results would be lost")
