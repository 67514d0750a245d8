"""Read TOML files and validate them against frozen dataclasses, with one-sentence error messages."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from unlearnbench.errors import UsageError, unknown

Kind = TypeVar("Kind")

UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
MISSING = ("missing", "missing_argument")
IN_TOML = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid array": "a list",
    "a valid list": "a list",
    "a valid dictionary": "a table",
    "a valid datetime": "a time",
    "a valid bytes": "bytes",
    "a valid string": "a string",
    "a valid boolean": "true or false",
    "an object": "a table",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
}
"""Phrases of pydantic, and what a user of TOML calls it."""


def read(kind: type[Kind], file: Path) -> Kind:
    """Read a TOML file and validate it as a dataclass.

    Raises:
        UsageError: the file is unreadable or invalid. The message names the file, the key and what is allowed.
    """
    return validated(kind, table(file), str(file))


def table(file: Path) -> dict[str, Any]:
    """Read a TOML file without validating it.

    Raises:
        UsageError: the file cannot be read or parsed.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: not a readable TOML file: {error.strerror}") from error
    return parsed(content, str(file))


def parsed(content: bytes, source: str) -> dict[str, Any]:
    """Parse the content of a TOML file. `source` is its name in error messages.

    Raises:
        UsageError: it is no TOML.
    """
    try:
        return tomllib.loads(content.decode("utf-8-sig"))  # some editors write a byte-order mark
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
        raise UsageError(f"{source}: not a readable TOML file: {error}") from error


def validated(kind: type[Kind], table: dict[str, Any], source: str, *, beside: tuple[str, ...] = ()) -> Kind:
    """Validate a table as a dataclass. Types must match exactly (no `true` for 1, no "3" for 3).

    Args:
        source: name of the table in error messages.
        beside: valid top-level keys that the caller has already removed from the table, for error messages.

    Raises:
        UsageError: the table is invalid. The message names the source, the key and what is allowed.
    """
    adapter: TypeAdapter[Kind] = _adapter(cast(Any, kind))
    try:
        for key, value in table.items():
            _plain(value, key)
        # Via JSON: in strict mode, pydantic accepts lists for tuples and dicts for dataclasses only from JSON.
        return adapter.validate_json(json.dumps(table), strict=True)
    except ValidationError as error:
        raise UsageError(f"{source}: {_sentence(error, kind, table, beside)}") from error
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def known(kind: Any, table: dict[str, Any]) -> dict[str, Any]:
    """The table without keys that the dataclass, or a dataclass nested in it, does not define."""
    hints = get_type_hints(kind)
    inner = {
        name: next((part for part in (hint, *_inside(hint)) if is_dataclass(part)), None)
        for name, hint in hints.items()
    }
    return {
        name: known(inner[name], value) if isinstance(value, dict) and inner[name] is not None else value
        for name, value in table.items()
        if name in hints
    }


def _plain(value: Any, key: str) -> None:
    """Reject values that no key accepts or that cannot be stored: dates, NaN, infinity, huge integers, NUL."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _plain(name, key)
            _plain(inner, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            _plain(inner, f"{key}.{position}")
    elif isinstance(value, str):
        if "\0" in value:
            raise UsageError(f"key {key!r}: strings must not contain NUL characters")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise UsageError(f"key {key!r}: must be a finite number (got {value})")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise UsageError(f"key {key!r}: must fit in 64 bits")
    elif value is not None:  # stored specifications have None where TOML omits the key
        raise UsageError(f"key {key!r}: dates and times are not allowed (got {value})")


def _sentence(error: ValidationError, kind: Any, table: dict[str, Any], beside: tuple[str, ...]) -> str:
    """Describe the first error in one sentence: the key, what is wrong, and what is allowed."""
    # A misspelt required key is both unknown and missing. Report it as unknown, which suggests the right spelling.
    problem = min(error.errors(), key=lambda item: item["type"] not in UNKNOWN)
    path = [str(part) for part in problem["loc"]]
    key = ".".join(path)
    if problem["type"] in UNKNOWN:
        names = [item.name for item in fields(_table(kind, path[:-1]))]
        names += beside if len(path) == 1 else ()
        return unknown("key", path[-1], sorted(names), f" in [{'.'.join(path[:-1])}]" if path[:-1] else "")
    if problem["type"] in MISSING:
        return f"key {key!r} is missing"
    if problem["type"] == "literal_error" and (known := re.findall("'([^']*)'", problem["ctx"]["expected"])):
        return f"key {key!r}: {unknown('value', problem['input'], known)}"
    got = repr(problem["input"])
    got = got if len(got) <= 80 else f"{got[:77]}..."
    if problem["type"] == "value_error":
        return f"key {key!r}: {problem['msg'].removeprefix('Value error, ')} (got {got})"
    # Where several types are allowed, each has its error, and its name at the end of the path.
    place = _place(table, problem["loc"])
    others = (item for item in error.errors() if item["type"] not in MISSING)
    texts = dict.fromkeys(allowed(item["msg"]) for item in others if _place(table, item["loc"]) == place)
    return f"key {'.'.join(map(str, place))!r} must {' or '.join(texts)} (got {got})"


def allowed(message: str) -> str:
    """What a message of pydantic allows, to follow "must", in the words of TOML."""
    text = re.sub(r"^\w+ should | after validation, not \d+$", "", message)
    for theirs, ours in IN_TOML.items():
        text = text.replace(theirs, ours)
    return text


def _place(table: Any, path: Iterable[int | str]) -> tuple[int | str, ...]:
    """The beginning of a path that is in the table."""
    place: tuple[int | str, ...] = ()
    for part in path:
        inner = dict(enumerate(table)) if isinstance(table, list) else table
        if not isinstance(inner, dict) or part not in inner:
            break
        place, table = (*place, part), inner[part]
    return place


def _table(kind: Any, path: list[str]) -> Any:
    """The dataclass of the table at this path. Skips path parts that are not fields: indices, names, union members."""
    for part in path:
        hint = get_type_hints(kind).get(part)
        kind = next((found for found in (hint, *_inside(hint)) if is_dataclass(found)), kind)
    return kind


def _inside(hint: Any) -> list[Any]:
    """All type arguments of a type, recursively."""
    return [inner for part in get_args(hint) for inner in (part, *_inside(part))]
