"""Find, read and validate suite files, including settings inherited through `extends`."""

from __future__ import annotations

import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unlearnbench.errors import UsageError, unknown
from unlearnbench.problems import specification
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import Suite
from unlearnbench.system.clutter import is_clutter
from unlearnbench.system.files import replacing
from unlearnbench.system.shipped import shipped

BASE = "digits"
TEMPLATE = """\
# All that is not set here is as in `{base}`. Tables are merged key by key, lists are replaced. The keys
# are in docs/running.md, section "Suites".
extends = "{base}"
name = "{name}"
title = "{title}"

# The grid: every method runs on every combination. Fewer are faster; ranks need eight seeds.
discovery_rates = [0.1, 0.5, 1.0]
seeds = [0, 1, 2]

# [corruption]
# size = 0.1 # a number of samples, or a fraction of the training set
"""


def start(name: str, folder: Path) -> Path:
    """Write a new suite that extends `BASE`, and return its file.

    Raises:
        UsageError: the name is invalid or taken, or the file cannot be written.
    """
    if not re.fullmatch(r"\w[\w.-]*", name) or len(name) > 100:
        raise UsageError(f"'{name}' is not a valid suite name: use letters, digits, hyphens and underscores")
    find(BASE, folder, shipped("suites"))
    if (shipped("suites") / f"{name}.toml").exists():
        raise UsageError(f"'{name}' is the name of a suite that comes with unlearnbench: choose another name")
    path = folder / f"{name}.toml"
    if path.exists():
        raise UsageError(f"{path} exists already: choose another name, or remove it")
    with replacing(path) as part:
        part.write_text(TEMPLATE.format(base=BASE, name=name, title=name.replace("-", " ").capitalize()), "utf-8")
    return path


def find(name: str, *folders: Path) -> Path:
    """The file of a suite, given by name (in the first folder that has it) or as the path of a .toml file.

    Raises:
        UsageError: there is no such suite.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if os.path.isfile(path):
            return path
        raise UsageError(f"suite file {path} does not exist")
    found = find_if_any(name, *folders)
    if found is not None:
        return found
    where = f" in {' and '.join(map(str, folders))}"
    raise UsageError(f"{unknown('suite', name, suite_files(*folders), where)}; a path to a .toml file works too")


def find_if_any(name: str, *folders: Path) -> Path | None:
    """The file of a suite in the first folder that has it, or None. A store may contain suites that have no file."""
    files = (folder / f"{name}.toml" for folder in folders)
    return next((file for file in files if os.path.isfile(file)), None)  # Path.is_file raises if the name is too long


def suite_files(*folders: Path) -> dict[str, Path]:
    """The suite files in these folders by name, sorted. Of a name that several have, that of the first."""
    found = {
        file.stem: file for folder in reversed(folders) for file in folder.glob("*.toml") if not is_clutter(file.name)
    }
    return dict(sorted(found.items()))


def differs_from_shipped(suite: Suite) -> bool:
    """Whether unlearnbench comes with another suite of this name."""
    own = find_if_any(suite.name, shipped("suites"))
    return own is not None and parse(own) != suite


def stored(table: dict[str, Any]) -> Suite:
    """Load a suite from the specification stored with a run. Ignores unknown keys, written by other versions.

    Raises:
        UsageError: the table is not a valid suite.
    """
    suite = specification.validated(Suite, specification.known(Suite, table), "the stored suite")
    _check_corruptions(suite, "the stored suite")
    return suite


def parse(path: Path) -> Suite:
    """Read and validate a suite file, including the settings of the suite that it extends.

    Raises:
        UsageError: the file is invalid. The message names the file, the key and what is allowed.
    """
    return _parse(path, ())[0]


def _parse(path: Path, extending: tuple[str, ...]) -> tuple[Suite, dict[str, Any]]:
    """The suite in this file and its merged table. `extending` is the chain of suites that led here."""
    table = specification.table(path)
    extending, own = (*extending, path.stem), table
    if "extends" in table:
        base, known = table.pop("extends"), suite_files(path.parent, shipped("suites"))
        if base not in [*known]:  # it may be of any type
            where = f" in {path.parent} and {shipped('suites')}"
            raise UsageError(f"{path}: extends: {unknown('suite', base, known, where)}")
        if base in extending:
            raise UsageError(f"{path}: circular extends: {' -> '.join([*extending, base])}")
        _, inherited = _parse(known[base], extending)  # errors name the base file
        table = _merged({key: value for key, value in inherited.items() if key not in ("name", "title")}, table)
    suite = specification.validated(Suite, table, str(path), beside=("extends",))
    _check(suite, table, path)
    for name in own.get("corruption", {}).get("parameters", {}):
        if name not in suite.corruptions:
            raise UsageError(f"{path}: corruption.parameters: {unknown('corruption', name, suite.corruptions)}")
    if suite.name != path.stem:  # such as a copy: records of both would be ranked as one suite
        raise UsageError(f"{path}: name '{suite.name}' must be that of its file, '{path.stem}'")
    return suite, table


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Apply changes to a table. Nested tables are merged, other values replaced."""
    tables = {
        key: _merged(base[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return base | changes | tables


def _check(suite: Suite, table: dict[str, Any], path: Path) -> None:
    """Reject combinations of values that are valid only individually. `table` is the merged table of the suite."""
    for key, values in (
        ("corruptions", suite.corruptions),
        ("discovery_rates", suite.discovery_rates),
        ("seeds", suite.seeds),
        ("originals.capacities", suite.originals.capacities),
        ("originals.trainings", suite.originals.trainings),
        ("tuning.seeds", suite.tuning.seeds),
        ("tuning.discovery_rates", suite.tuning.discovery_rates),
    ):
        if len(set(values)) != len(values):
            raise UsageError(f"{path}: {key} has duplicate values: {list(values)}")
    own = {seed for item in suite.seeds for seed in (asdict(item).values() if isinstance(item, Seeds) else [item])}
    if own & set(suite.tuning.seeds):
        raise UsageError(
            f"{path}: tuning.seeds {list(suite.tuning.seeds)} must not contain seeds of the suite ({sorted(own)})"
        )
    if suite.commitment is not None:
        raise UsageError(f"{path}: commitment is set by --seeds-from: leave it out")
    for key, source in (("tied_dropout", "memorisation"), ("shared", "shared")):
        if key in table["recipe"]:
            raise UsageError(f"{path}: recipe.{key} is set by originals.{source}: leave it out")
    if suite.corruption.class_pair[0] == suite.corruption.class_pair[1]:
        raise UsageError(f"{path}: corruption.class_pair needs two different classes")
    _check_corruptions(suite, str(path))


def _check_corruptions(suite: Suite, source: str) -> None:
    """Reject parameters that a corruption does not have, and a variant without any."""
    for name in suite.corruptions:
        try:
            suite.corruption_of(name)
        except UsageError as error:
            raise UsageError(f"{source}: {error}") from None
        if "/" in name and name not in suite.corruption.parameters:
            raise UsageError(f"{source}: corruption '{name}' needs a table [corruption.parameters.\"{name}\"]")
