"""Suite files: found by name, read with what they take over from the suite that they extend, and checked."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unlearnbench.errors import UsageError, unknown
from unlearnbench.problems import specification
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import Suite


def find(name: str, folder: Path) -> Path:
    """The file of a suite given by name (in the folder of suites) or by path."""
    path = Path(name)
    if path.suffix == ".toml":
        if os.path.isfile(path):  # unlike Path.is_file it knows that a name may be too long to be one
            return path
        raise UsageError(f"suite file {path} does not exist")
    path = folder / f"{name}.toml"
    if os.path.isfile(path):
        return path
    known = sorted(file.stem for file in folder.glob("*.toml"))
    raise UsageError(f"{unknown('suite', name, known, f' in {folder}')}; a path to a .toml file works too")


def find_if_any(name: str, folder: Path) -> Path | None:
    """The file of a suite in the folder of suites, or None: a store may hold suites that have no file."""
    path = folder / f"{name}.toml"
    return path if os.path.isfile(path) else None


def stored(table: dict[str, Any]) -> Suite:
    """The suite that a run stored. What an older version stored and this one does not know is left out.

    Raises:
        UsageError: it has no suite's values.
    """
    return specification.validated(Suite, specification.known(Suite, table), "the stored suite")


def parse(path: Path) -> Suite:
    """Read and validate a suite file, with what it takes over from the suite that it extends.

    Raises:
        UsageError: naming the file, the key and what is allowed.
    """
    return _parse(path, ())[0]


def _parse(path: Path, extending: tuple[str, ...]) -> tuple[Suite, dict[str, Any]]:
    """The suite in this file and all its keys; `extending` are the suites that extend it, the first one first."""
    table = specification.table(path)
    extending = (*extending, path.stem)
    if "extends" in table:
        base, known = table.pop("extends"), sorted(file.stem for file in path.parent.glob("*.toml"))
        if base not in known:
            raise UsageError(f"{path}: extends: {unknown('suite', base, known, f' in {path.parent}')}")
        if base in extending:
            raise UsageError(f"{path}: suites extend each other in a circle: {' -> '.join([*extending, base])}")
        _, inherited = _parse(path.with_name(f"{base}.toml"), extending)  # what is wrong there is said of that file
        table = _merged({key: value for key, value in inherited.items() if key not in ("name", "title")}, table)
    suite = specification.validated(Suite, table, str(path), beside=("extends",))
    _check(suite, table, path)
    return suite, table


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The base with these changes: a table is changed key by key, anything else is replaced."""
    tables = {
        key: _merged(base[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return base | changes | tables


def _check(suite: Suite, table: dict[str, Any], path: Path) -> None:
    """Refuse values that are right alone and wrong together; `table` is what the suite was read from."""
    for key, values in (
        ("discovery_rates", suite.discovery_rates),
        ("seeds", suite.seeds),
        ("originals.capacities", suite.originals.capacities),
        ("originals.trainings", suite.originals.trainings),
        ("tuning.seeds", suite.tuning.seeds),
        ("tuning.discovery_rates", suite.tuning.discovery_rates),
    ):
        if len(set(values)) != len(values):
            raise UsageError(f"{path}: {key} names a value twice: {list(values)}")
    own = {seed for item in suite.seeds for seed in (asdict(item).values() if isinstance(item, Seeds) else [item])}
    if own & set(suite.tuning.seeds):
        raise UsageError(
            f"{path}: tuning.seeds {list(suite.tuning.seeds)} must not be seeds of the suite: {sorted(own)}"
        )
    for key, source in (("tied_dropout", "memorisation"), ("shared", "shared")):
        if key in table["recipe"]:
            raise UsageError(f"{path}: recipe.{key} is set by originals.{source}: leave it out")
    if suite.corruption.class_pair[0] == suite.corruption.class_pair[1]:
        raise UsageError(f"{path}: corruption.class_pair needs two different classes")
