"""Temporary folders of harnesses: one that was killed could not remove its own, so the next one does."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from unlearnbench.system.processes import alive, identity

PREFIX = "unlearnbench-"
OWNER = "owner"


def own(folder: Path) -> None:
    """Say whose this folder is: it may be removed when this process is no more."""
    (folder / OWNER).write_text(identity())


def sweep() -> None:
    """Remove the temporary folders of harnesses that are no more.

    A folder goes only if it names its owner, the owner was a process of this machine, and is gone. Folders of other
    users, which cannot be read or removed, stay.
    """
    for note in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{OWNER}"):
        try:
            owner = note.read_text()
        except OSError:  # it is another user's, or another harness has just removed it
            continue
        if alive(owner) is False:
            shutil.rmtree(note.parent, ignore_errors=True)
