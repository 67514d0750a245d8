"""The arguments that the calls of the library share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

DATABASE = "sqlite:///data/unlearnbench.db"

Where = str | Path


class Grid(TypedDict, total=False):
    """The part of a suite's grid that is meant; all of an axis for which nothing is given."""

    seeds: Sequence[int]
    rates: Sequence[float]
    corruptions: Sequence[str]


class Stored(TypedDict, total=False):
    """Where results are read."""

    database: Where
    suites: Where


class StoredGrid(Grid, Stored, total=False):
    """Which results are read, and where."""


class Places(TypedDict, total=False):
    """Where things lie."""

    database: Where
    data: Where
    submissions: Where
    suites: Where


class GridPlaces(Grid, Places, total=False):
    """What is run, and where things lie."""
