"""Where suites and submissions are looked for: what comes with the package, and what a user has beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from unlearnbench.errors import UsageError

Kind = Literal["suites", "submissions"]

PACKAGE = Path(__file__).parents[1]
INSIDE = PACKAGE / "_shipped"
"""Holds both folders in an installed package (setup.py). In a checkout there is none; they lie beside the package."""


def shipped(kind: Kind) -> Path:
    """The folder of what comes with unlearnbench."""
    return (INSIDE if INSIDE.is_dir() else PACKAGE.parent) / kind


def places(kind: Kind, given: str | Path | None = None) -> tuple[Path, ...]:
    """The folders to look in. Of a name that several have, the first counts.

    A given folder is the only one, so that what is missing there is not replaced. Without one, these are the folder
    `suites` or `submissions` in the working directory, and then what comes with unlearnbench.

    Raises:
        UsageError: the given folder is not there.
    """
    if given is None:
        return Path(kind), shipped(kind)
    if not Path(given).is_dir():
        raise UsageError(f"no folder {given}: choose the folder of {kind} with --{kind}")
    return (Path(given),)
