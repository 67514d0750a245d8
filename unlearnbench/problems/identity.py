"""What of a specification decides a result: what keys are made of, and the conditions that records of a board share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from unlearnbench.problems.suite import Suite

GRID = ("name", "title", "discovery_rates", "seeds", "corruptions", "variants", "methods", "tuning", "low_utility")
ORIGINAL_AXES = ("capacities", "trainings")
"""Names and axes of a grid: records that differ in nothing else are of one board."""


def given(specification: Any) -> dict[str, Any]:
    """The values of a dataclass that are not its defaults, and those of the dataclasses in it.

    What is keyed by it stays as it is when a setting is added whose default is what was done before. A default that
    changes must therefore raise PROTOCOL_VERSION.
    """
    values = {}
    for item in fields(specification):
        value = getattr(specification, item.name)
        default = item.default if item.default_factory is MISSING else item.default_factory()
        if value != default:
            values[item.name] = given(value) if is_dataclass(value) else value
    return values


def conditions(suite: Suite) -> dict[str, Any]:
    """What all records of a suite that are ranked together share: all that is not an axis of its grid or a name.

    As `given`, by dotted keys.
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
