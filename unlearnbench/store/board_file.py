"""Board files: the stored rows of one seed of a suite as JSON lines. A file never changes once written.

The first line is a header with the number of rows per table; each further line is one row, its table's name among its
columns. Bytes are base64, times ISO 8601. The form is canonical: ASCII, sorted names, rows sorted by key, tables in
insertion order. So equal rows give equal bytes, and any other form counts as damage. A file keeps the schema version
it was written with; `read` upgrades its rows to the current one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Integer, LargeBinary, String, Table
from sqlalchemy.exc import DBAPIError

from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.evaluation.predictions import unpack
from unlearnbench.problems.specification import validated
from unlearnbench.problems.streams import Seeds
from unlearnbench.store.migrations import FIRST_VERSION
from unlearnbench.store.older import tables_of, upgraded
from unlearnbench.store.schema import SCHEMA_VERSION, TABLES
from unlearnbench.store.store import Key, Rows, Values, key_of

FORMAT: Literal["unlearnbench board"] = "unlearnbench board"
VERSION: Literal[1] = 1


@dataclass(frozen=True)
class Header:
    """The first line of a file."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    format: Literal["unlearnbench board"]
    version: Literal[1]
    schema: int
    suite: str
    seed: Seeds
    rows: dict[str, int]
    """Number of rows by table."""


@dataclass(frozen=True)
class BoardFile:
    """The content of a file; rows are in the current schema version."""

    path: Path
    sha256: str
    header: Header
    rows: Rows


def text_of(suite: str, seed: Seeds, rows: Mapping[str, Mapping[Key, Values]]) -> str:
    """Encode rows as the text of a file.

    Raises:
        UsageError: a number is not finite, so JSON cannot represent it.
    """
    lines = []
    for table in TABLES:
        for key, row in sorted(rows.get(table.name, {}).items()):
            try:
                lines.append(_line({"table": table.name, **_encoded(table, row)}))
            except ValueError as error:
                raise UsageError(f"row {'/'.join(key)} of '{table.name}' has a number that is not finite") from error
    counts = {name: len(found) for name, found in rows.items() if found}
    header = _line(asdict(Header(FORMAT, VERSION, SCHEMA_VERSION, suite, seed, counts)))
    return "".join(f"{line}\n" for line in [header, *lines])


def read(path: Path) -> BoardFile:
    """Read and check a file. Every row that another one refers to must be in it.

    Raises:
        UsageError: the file cannot be read, has a newer schema version, or is damaged.
    """
    try:
        content = path.read_bytes()
        text = content.decode("ascii")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {number}: not ASCII: the file is damaged") from error
    first, *lines = text.split("\n")
    header = _header(path, first)
    old = header.schema < SCHEMA_VERSION
    tables = tables_of(header.schema) if old else TABLES
    rows: Rows = {table.name: {} for table in tables}
    last: tuple[int, Key] = (-1, ())
    for number, line in enumerate(lines[:-1], 2):
        try:
            table, row = _row(tables, line)
            place = (tables.index(table), key_of(table, row))
            if place <= last:
                raise ValueError("the row is a duplicate or out of order")
            last = place
            for column, parent in _references(table):
                if row[column] is not None and (row[column],) not in rows[parent]:
                    raise ValueError(f"{column} refers to a missing row of '{parent}'")
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}, line {number}: {error}: the file is damaged") from error
        rows[table.name][place[1]] = row
    counts = Counter({name: len(found) for name, found in rows.items()})
    if lines[-1:] != [""] or +counts != +Counter(header.rows):
        says = f"{sum(header.rows.values())} rows were written, {counts.total()} are complete"
        end = len(lines) + (lines[-1:] != [""])
        raise UsageError(f"{path}, line {end}: {says}: the file is damaged")
    try:
        rows = upgraded(rows, header.schema) if old else rows
    except (UsageError, DBAPIError, HarnessError) as error:
        raise UsageError(
            f"{path}: its rows of schema version {header.schema} cannot be upgraded: the file is damaged"
        ) from error
    return BoardFile(path, hashlib.sha256(content).hexdigest(), header, rows)


def _header(path: Path, line: str) -> Header:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UsageError(f"{path}, line 1: not a board file as written by `unlearnbench store dump`")
    # Before validation: the header of a newer version may have other fields.
    schema = content.get("schema")
    if content.get("version") == VERSION and isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise UsageError(
            f"{path}, line 1: the file has schema version {schema}, but this version reads at most {SCHEMA_VERSION}:"
            " load it with a newer version of unlearnbench"
        )
    header = validated(Header, content, f"{path}, line 1")
    if header.schema < FIRST_VERSION:
        raise UsageError(f"{path}, line 1: the file was written before the first release: dump its suite again")
    return header


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _row(tables: Sequence[Table], line: str) -> tuple[Table, Values]:
    """Decode one line.

    Raises:
        ValueError: the line is not in canonical form, or the row fits no table.
    """
    try:
        content = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(content, dict) or _line(content) != line:
        raise ValueError("not a row in canonical form")
    name = content.pop("table", None)
    table = next((table for table in tables if table.name == name), None)
    if table is None:
        raise ValueError(f"unknown table {name!r}")
    names = {column.name for column in table.columns}
    if names != content.keys():
        wrong = [f"no column {name!r}" for name in sorted(names - content.keys())]
        wrong += [f"unknown column {name!r}" for name in sorted(content.keys() - names)]
        raise ValueError(f"{wrong[0]} of '{table.name}'")
    row = {}
    for column in table.columns:
        try:
            row[column.name] = _decoded(column, content[column.name])
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"column {column.name!r} of '{table.name}' cannot be {_short(content[column.name])}"
            ) from error
    return table, row


def _references(table: Table) -> Iterable[tuple[str, str]]:
    """The foreign keys of a table as (column, parent table)."""
    return [(key.parent.name, key.column.table.name) for key in table.foreign_keys]


def _encoded(table: Table, row: Values) -> dict[str, Any]:
    return {column.name: _as_json(row[column.name]) for column in table.columns}


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.isoformat() if isinstance(value, datetime) else value


_PLAIN: tuple[tuple[type[Any], type[Any]], ...] = ((Boolean, bool), (Integer, int), (Float, float), (String, str))


def _decoded(column: Column[Any], value: Any) -> Any:
    """Decode a JSON value to exactly the type of its column.

    Raises:
        ValueError, TypeError: the value has another type or is damaged.
    """
    kind = column.type
    if isinstance(kind, JSON):
        # The models declare their JSON columns as a list or a dict.
        if not isinstance(value, dict | list) and not (value is None and column.nullable):
            raise TypeError(value)
        return value
    if value is None:
        if not column.nullable:
            raise TypeError(value)
        return None
    if isinstance(kind, LargeBinary):
        content = base64.b64decode(value, validate=True)
        unpack(content)  # the only bytes in a store are packed predictions
        return content
    if isinstance(kind, DateTime):
        return _moment(value)
    wanted = next(python for sql, python in _PLAIN if isinstance(kind, sql))
    if type(value) is not wanted or (wanted is int and not -(2**63) <= value < 2**63):
        raise TypeError(value)
    if wanted is str:
        value.encode()  # refuses lone surrogates
        if "\0" in value:
            raise ValueError(value)
    return value


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is not None or moment.isoformat() != value:
        raise ValueError(value)
    return moment


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
