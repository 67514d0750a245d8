"""Temporary folders: short paths to them, and removal of those that killed processes left behind."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from unlearnbench.errors import UsageError
from unlearnbench.system.processes import alive, identity

PREFIX = "unlearnbench-"
OWNER = "owner"
LONGEST = 56
"""Bytes of the path of a folder in which the sockets of a trial have a name. The kernel allows 107 in all, and workers
of a DataLoader use `FOLDER/trial-12345678/own/pymp-12345678/listener-12345678`.
"""
SHORT = ("/tmp", "/var/tmp", "/dev/shm")
"""Where links to folders with longer paths are made."""
_LONGEST = 1000
"""Bytes of a note of the owner; a longer file is not one."""


def own(folder: Path) -> None:
    """Mark a new folder as owned by this process. `sweep` may remove it after this process has ended."""
    with (folder / OWNER).open("x") as note:
        note.write(identity())


def shortened(folder: Path) -> Path:
    """The folder, or a new link to it, in one of `SHORT`, if its path is too long for sockets.

    Raises:
        UsageError: no link can be made.
    """
    if len(os.fsencode(folder)) <= LONGEST:
        return folder
    for parent in SHORT:
        link = Path(parent, f"{PREFIX}{secrets.token_hex(4)}")
        try:
            link.symlink_to(folder)
        except OSError:  # missing, full, or not ours to write
            continue
        return link
    raise UsageError(
        f"the path of the temporary folder {folder} is too long for sockets, and none of {', '.join(SHORT)} can be"
        " written: set TMPDIR to a folder with a shorter path"
    )


def sweep() -> None:
    """Remove temporary folders of processes that have ended.

    Removes a folder only if it belongs to this user and its owner was a process of this machine. Anybody can put
    anything under these names, so links are not followed and only small regular files are read.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = _owner(folder)
        if owner is not None and alive(owner) is False:
            shutil.rmtree(folder, ignore_errors=True)
    for parent in SHORT:
        for link in Path(parent).glob(f"{PREFIX}*"):
            with suppress(OSError):  # another harness may have just removed it
                if link.is_symlink() and _is_own(link.lstat()) and not link.exists():
                    link.unlink()


def _owner(folder: Path) -> str | None:
    """The identity in the folder's note. None if there is none, or folder or note are not this user's own."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # no folder, another user's, or another harness has just removed it
        return None
    try:
        if not (_is_own(os.fstat(place)) and _is_note(os.stat(OWNER, dir_fd=place, follow_symlinks=False))):
            return None
        note = os.open(OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
        try:  # by now it may be another file
            return os.read(note, _LONGEST).decode(errors="replace") if _is_note(os.fstat(note)) else None
        finally:
            os.close(note)
    except OSError:
        return None
    finally:
        os.close(place)


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid()


def _is_note(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and _is_own(status) and status.st_size <= _LONGEST
