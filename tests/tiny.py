"""The suite `tiny`: 200 digits and a model that trains in a second. As an object and as a file."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

from unlearnbench.problems.specification import validated
from unlearnbench.problems.suite import Suite

TABLE: dict[str, Any] = {
    "name": "tiny",
    "title": "Tiny",
    "dataset": "digits",
    "corruptions": ["poison-trigger"],
    "discovery_rates": [0.5],
    "seeds": [0],
    "train_size": 200,
    "test_size": 60,
    "corruption": {"size": 20},
    "model": {"width": 0.05},
    "recipe": {"steps": 6, "batch_size": 50, "peak_learning_rate": 0.05, "crop_padding": 1, "flip": False},
    "budget": {"steps": 4, "batch_size": 50, "learning_rate": 0.01},
    "precision": "float32",
    "limits": {"seconds": 60, "memory_gib": 4},
}


def tiny() -> Suite:
    return validated(Suite, TABLE, "tiny")


def tiny_toml(**changes: Any) -> str:
    """The file of the suite with other values, a key a line."""
    return "".join(f"{key} = {toml(value)}\n" for key, value in (TABLE | changes).items())


def toml(value: Any) -> str:
    """A value as inline TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "nan" if math.isnan(value) else str(value)  # inf, -inf, 1e+308 are TOML
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    if isinstance(value, str):
        return json.dumps(value.encode("utf-8", "replace").decode()).replace("\x7f", "\\u007F")
    return value.isoformat() if isinstance(value, date) else str(value)
