"""Arguments that several functions of the API share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

DATABASE = "sqlite:///data/unlearnbench.db"

Where = str | Path


def unwatched(progress: object) -> None:
    """Show no progress."""


class Grid(TypedDict, total=False):
    """The selected part of a suite's grid; all of an axis without a selection."""

    seeds: Sequence[int]
    rates: Sequence[float]
    corruptions: Sequence[str]


class Stored(TypedDict, total=False):
    """Where results are read from."""

    database: Where
    suites: Where | None


class StoredGrid(Grid, Stored, total=False):
    """Which results are read, and where from."""


class Places(TypedDict, total=False):
    """Where inputs and results are."""

    database: Where
    data: Where
    submissions: Where | None
    suites: Where | None


class GridPlaces(Grid, Places, total=False):
    """What is run, and where inputs and results are."""
