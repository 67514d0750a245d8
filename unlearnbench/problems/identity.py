"""The part of a specification that keys are made from, and the conditions that the records of a board share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from unlearnbench.problems.suite import Suite

GRID = ("name", "title", "discovery_rates", "seeds", "corruptions", "variants", "methods", "tuning", "low_utility")
ORIGINAL_AXES = ("capacities", "trainings")
"""Names and axes of the grid. Records of one board may differ in these and in nothing else."""


def given(specification: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults, recursively.

    Defaults are left out so that adding a setting, with the previous behaviour as its default, leaves existing keys
    unchanged. Changing a default therefore requires a new PROTOCOL_VERSION.
    """
    values = {}
    for item in fields(specification):
        value = getattr(specification, item.name)
        default = item.default if item.default_factory is MISSING else item.default_factory()
        if value != default:
            values[item.name] = given(value) if is_dataclass(value) else value
    return values


def conditions(suite: Suite) -> dict[str, Any]:
    """The settings that records must share to be ranked together: all except names and axes of the grid.

    Like `given`, but flattened to dotted keys.
    """
    originals = {name: value for name, value in given(suite.originals).items() if name not in ORIGINAL_AXES}
    values = {name: value for name, value in given(suite).items() if name not in (*GRID, "originals")}
    return dict(_dotted(values | ({"originals": originals} if originals else {})))


def _dotted(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
