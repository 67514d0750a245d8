"""What editors, tools and systems leave in folders: the harness ignores it wherever it reads a folder of others."""

from __future__ import annotations

_NAMES = {"__pycache__", "__macosx", "@eadir", "#recycle", "thumbs.db", "ehthumbs.db", "desktop.ini"}
_ENDS = ("~", ".swp", ".swo", ".pyc")


def is_clutter(name: str) -> bool:
    """Whether a file or folder with this name is no content of the folder that it lies in.

    Hidden names are not: caches, checkpoints, the locks of editors, the copies of metadata that macOS writes.
    """
    saved = len(name) > 1 and name.startswith("#") and name.endswith("#")  # by Emacs
    return name.startswith(".") or name.endswith(_ENDS) or saved or name.lower() in _NAMES
