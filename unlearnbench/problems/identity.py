"""The keys of problems, originals and trials, and the conditions that the records of a board share.

A key is a hash of what a result follows from. The processor and the versions of torch and NumPy, which change its
rounding, are stored with runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from unlearnbench.problems.names import data_name, table_name
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.suite import OriginalSpec, Suite

if TYPE_CHECKING:  # it imports torch, which reports do not need
    from unlearnbench.problems.grid import CaseSpec, ProblemSpec

GRID = ("name", "title", "discovery_rates", "seeds", "corruptions", "variants", "methods", "tuning", "low_utility")
ORIGINAL_AXES = ("capacities", "trainings")
"""Names and axes of the grid. Records of one board may differ in these and in nothing else."""


def content_key(**content: Any) -> str:
    """SHA-256 of the content as canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def problem_key(problem: ProblemSpec) -> str:
    return content_key(**given(problem), protocol=PROTOCOL_VERSION)


def original_key(suite: Suite, case: CaseSpec, kind: OriginalSpec, seed: int, precision: str, device: str) -> str:
    """The key of the original of this kind. `precision` is resolved, never `auto`."""
    return content_key(
        case=given(case),
        seed=seed,
        model={**given(suite.model), "capacity": kind.capacity},
        recipe=given(suite.recipe_of(kind)),
        precision=precision,
        device=device,
        protocol=PROTOCOL_VERSION,
        **({} if suite.threads == 1 else {"threads": suite.threads}),
    )


def trial_key(suite: Suite, problem: str, original: str, submission: str, seed: int, isolation: str) -> str:
    """The key of a trial, from the keys of its problem, original and submission, and its unlearning seed."""
    # A submission may have cheated at a weaker isolation level, so its record must not stand in for one at a stronger.
    level = {} if isolation == "process" else {"isolation": isolation}
    return content_key(
        problem=problem,
        original=original,
        submission=submission,
        seed=seed,
        budget=given(suite.budget),
        limits=given(suite.limits),
        **level,
    )


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


def conditions(suite: Suite, corruptions: Collection[str] = ()) -> dict[str, Any]:
    """The settings that records must share to be ranked together: all except names and axes of the grid.

    Like `given`, but flattened to dotted keys. Of the parameters of corruptions, only those of `corruptions` are taken:
    a corruption that only one of two suites has changes no record of the other.
    """
    originals = {name: value for name, value in given(suite.originals).items() if name not in ORIGINAL_AXES}
    values = {name: value for name, value in given(suite).items() if name not in (*GRID, "originals")}
    values["dataset"] = data_name(suite.dataset)
    if suite.label_table is not None:
        values["label_table"] = table_name(suite.label_table)
    values["corruption"] = {key: value for key, value in given(suite.corruption).items() if key != "parameters"}
    values["corruption"] |= {f"parameters.{name}": suite.parameters_of(name) for name in sorted(corruptions)}
    return dict(_dotted(values | ({"originals": originals} if originals else {})))


def apart(suite: Suite, other: Suite) -> list[str]:
    """The axes on which each of two suites has values that the other lacks: neither grid continues the other."""
    found = []
    for axis in ("corruptions", "discovery_rates", "seeds"):
        mine, theirs = getattr(suite, axis), getattr(other, axis)
        if set(mine) - set(theirs) and set(theirs) - set(mine):
            found.append(f"{axis} {list(theirs)} instead of {list(mine)}")
    return found


def _dotted(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
