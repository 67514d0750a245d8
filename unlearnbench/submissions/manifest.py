"""The content of submission.toml and of its variants.

A variant is a table of hyperparameters that differ from the defaults of the class. Keys in `RESERVED` are not
hyperparameters. Of these, `extends` lists earlier variants to inherit from, and the others override the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Len
from pydantic import StringConstraints

from unlearnbench.contract.recipe import RESERVED, STRICT
from unlearnbench.errors import UsageError
from unlearnbench.problems.specification import validated
from unlearnbench.submissions.requirements import check_requirement

NAME = r"[a-z][a-z0-9_]*"
LONGEST_NAME = 80
Name = Annotated[str, StringConstraints(pattern=rf"^{NAME}$", max_length=LONGEST_NAME)]


@dataclass(frozen=True)
class Needs:
    """Inputs of a method that differ from the defaults."""

    __pydantic_config__ = STRICT

    corrupted_indices: bool = False
    """Whether the method gets the indices of all corrupted samples. It is then a reference, and not ranked."""
    tied_dropout: bool = False
    """Whether the method starts from originals trained with tied dropout, whatever the suite sets for other methods."""
    forget_set: bool = True
    """False for a method that uses no forget set. It gets an empty one and runs once for each original."""
    expansion: bool = False
    """Whether the method adds channels to the model. `repair` offers it for architectures that can be expanded only."""
    retraining: bool = False
    """Whether the method trains new models by the recipe of the original. `repair` does not choose it for weights that
    come without one."""


@dataclass(frozen=True)
class Range:
    """Search range of a hyperparameter: one of `choices`, or a number from `low` to `high`.

    Tuning is described in docs/protocol.md, section 5.
    """

    __pydantic_config__ = STRICT

    choices: Annotated[tuple[int | float | str | bool | None, ...], Len(2)] | None = None
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False


@dataclass(frozen=True)
class Manifest:
    """The keys of submission.toml."""

    __pydantic_config__ = STRICT

    name: Name
    title: Annotated[str, Len(1, 200)]
    authors: tuple[str, ...]
    paper: str
    license: Annotated[str, Len(1, 100)]
    entry: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    code: Annotated[str, StringConstraints(pattern=rf"^{NAME}$")] | None = None
    """Another submission, in the same parent folder, that contains the code."""
    role: Literal["ranked", "reference", "ablation"] = "ranked"
    requires: tuple[str, ...] = ()
    """Python packages that the code imports beyond the harness's own, as requirements (PEP 508): `name==version`."""
    needs: Needs = field(default_factory=Needs)
    variants: dict[Name, dict[str, Any]] = field(default_factory=dict)
    search: dict[str, Range] = field(default_factory=dict)


def read_variants(table: dict[str, Any], source: str) -> dict[str, tuple[Manifest, dict[str, Any]]]:
    """The effective manifest and hyperparameters of each variant, by name.

    The first variant is `default`, without hyperparameters: it uses the defaults of the class.

    Args:
        table: the content of submission.toml.
        source: name of the table in error messages.

    Raises:
        UsageError: the table is invalid. The message names the source, the key and what is allowed.
    """
    manifest = _validated(table, source)
    tables: dict[str, dict[str, Any]] = {"default": {}}
    for name, own in manifest.variants.items():
        if name == "default":
            raise UsageError(
                f"{source}: variants.default must not be defined: change the defaults of the class instead"
            )
        bases = own.get("extends", [])
        if not isinstance(bases, list) or not all(isinstance(base, str) and base in tables for base in bases):
            raise UsageError(
                f"{source}: variants.{name}.extends must be a list of variants defined before it: {', '.join(tables)}"
            )
        inherited = {key: value for base in bases for key, value in tables[base].items()}
        tables[name] = inherited | {key: value for key, value in own.items() if key != "extends"}
    found = {}
    for name, own in tables.items():
        changes = {key: value for key, value in own.items() if key in RESERVED}
        changed = _validated(table | changes, f"{source}: variants.{name}") if changes else manifest
        found[name] = changed, {key: value for key, value in own.items() if key not in RESERVED}
    return found


def _validated(table: dict[str, Any], source: str) -> Manifest:
    manifest = validated(Manifest, table, source)
    for requirement in manifest.requires:
        check_requirement(requirement, source)
    _check_search(manifest.search, source)
    return manifest


def _check_search(search: dict[str, Range], source: str) -> None:
    """Reject combinations of values that are valid only individually."""
    for key, values in search.items():
        ends = (values.low, values.high)
        if key in RESERVED:
            raise UsageError(f"{source}: search.{key}: this name is reserved (reserved names: {', '.join(RESERVED)})")
        if values.choices is None and None in ends:
            raise UsageError(f"{source}: search.{key} needs `choices`, or both `low` and `high`")
        if values.choices is not None and ends != (None, None):
            raise UsageError(f"{source}: search.{key}: give either `choices` or `low` and `high`, not both")
        if values.low is not None and values.high is not None and not values.low < values.high:
            raise UsageError(f"{source}: search.{key} needs low < high (got {values.low} and {values.high})")
        if values.log and values.choices is not None:
            raise UsageError(f"{source}: search.{key}: `log` is for a range, not for `choices`")
        if values.log and not (values.low is not None and values.low > 0):
            raise UsageError(f"{source}: search.{key} needs low > 0 for a logarithmic range (got {values.low})")
