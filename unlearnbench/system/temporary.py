"""Removal of temporary folders that killed processes left behind."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from unlearnbench.system.processes import alive, identity

PREFIX = "unlearnbench-"
OWNER = "owner"


def own(folder: Path) -> None:
    """Mark the folder as owned by this process. `sweep` may remove it after this process has ended."""
    (folder / OWNER).write_text(identity())


def sweep() -> None:
    """Remove temporary folders of processes that have ended.

    Removes a folder only if its owner was a process of this machine. Keeps folders of other users.
    """
    for note in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{OWNER}"):
        try:
            owner = note.read_text()
        except OSError:  # belongs to another user, or another harness has just removed it
            continue
        if alive(owner) is False:
            shutil.rmtree(note.parent, ignore_errors=True)
