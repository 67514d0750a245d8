"""The types of the rows of another store or of a board file. Whoever sent them may have written anything."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, create_model
from pydantic_core import ErrorDetails
from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Double, Integer, LargeBinary, Table

from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import Regularity
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.specification import allowed
from unlearnbench.problems.suite import CorruptionName, Training
from unlearnbench.store.schema import Base

BEGINNING = datetime(2026, 1, 1)
"""Nothing was recorded before."""
SKEW = timedelta(minutes=10)
"""By how much the clock of another machine may be ahead."""
LONGEST_TEXT, LONGEST_DETAIL, MOST_VALUES, DEEPEST = 2_000, 20_000, 20_000, 8


def _plain(text: str) -> str:
    if any(not char.isprintable() for char in text):
        raise ValueError("must not have characters that cannot be printed")
    return text


def _lines(text: str) -> str:
    _plain(text.replace("\n", "").replace("\t", ""))
    return text


def _moment(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise ValueError("must be in UTC, without a time zone")
    if value < BEGINNING:
        raise ValueError(f"must not be before {BEGINNING:%Y-%m-%d}, when there was no record")
    if value > datetime.now(UTC).replace(tzinfo=None) + SKEW:
        raise ValueError("must not be in the future")
    return value


def _shallow(content: Any) -> Any:
    """Check the values inside of JSON: their number, depth, length and range."""
    values, waiting = 0, [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if depth > DEEPEST or values > MOST_VALUES:
            raise ValueError(f"must have at most {MOST_VALUES} values, nested at most {DEEPEST} deep")
        if isinstance(value, dict | list):
            inner = [*value, *value.values()] if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in inner]
        elif isinstance(value, str):
            if len(value) > LONGEST_TEXT:
                raise ValueError(f"must not have texts of more than {LONGEST_TEXT} characters")
            _lines(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("must have finite numbers")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("must have numbers of 64 bits")
    return content


Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(_plain)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[float, Field(ge=0, le=1e12)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
BigCount = Annotated[int, Field(ge=0, lt=2**63)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Precision = Literal["float32", "bfloat16"]
Isolation = Literal["process", "strict"]
Content = Annotated[dict[str, Any], AfterValidator(_shallow)]

METRICS = (
    *("healed_train", "healed_discovered", "healed_undiscovered", "misled_discovered", "misled_undiscovered"),
    *("attack_success", "healed_test", "utility", "utility_train", "aggregate", "selection_score"),
)
TYPES: dict[str, Any] = {
    **dict.fromkeys((*METRICS, "memorised", "capacity", "discovery_rate"), Share),
    **dict.fromkeys(("name", "variant"), Name),
    **dict.fromkeys(("run_id", "id"), RunId),
    **dict.fromkeys(
        ("detail", "earlier"), Annotated[str, StringConstraints(max_length=LONGEST_DETAIL), AfterValidator(_lines)]
    ),
    "authors": Annotated[list[Text], AfterValidator(_shallow)],
    "corruption": CorruptionName,
    "regularity": Regularity,
    "training": Training,
    "role": Literal["ranked", "reference", "ablation"],
    "precision": Precision,
    "isolation": Isolation,
    "limits": Literal["counted", "enforced"],
    "state": Literal["finished", "failed"],
    "protocol_version": Annotated[int, Field(ge=1, le=PROTOCOL_VERSION)],
    "workers": Annotated[int, Field(ge=1, le=2**20)],
    "threads": Annotated[int, Field(ge=1, le=1024)],
}
"""The types of columns that say more than the types of the database."""


def _of_database(column: Column[Any]) -> Any:
    kind = column.type
    for sql, python in (
        *((JSON, Content), (Boolean, bool), (DateTime, Annotated[datetime, AfterValidator(_moment)])),
        *((LargeBinary, bytes), (Double, Size), (BigInteger, Seed if "seed" in column.name else BigCount)),
        (Integer, Count),
    ):
        if isinstance(kind, sql):
            return python
    if column.primary_key or column.name.endswith(("key", "_hash", "fingerprint")):
        return Hash
    length: int | None = getattr(kind, "length", None)
    return Text if length is None else Annotated[Text, StringConstraints(max_length=length)]


def check_sendable(row: Base, name: str) -> None:
    """Check that others could load this row: a run's rows are dumped, and files of boards are never rewritten.

    Raises:
        UsageError: they could not. The message begins with `name`.
    """
    table = row.__table__
    assert isinstance(table, Table)
    try:
        row_type(table).model_validate({column.name: getattr(row, column.name) for column in table.columns})
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            if not isinstance(table.columns[str(fault["loc"][0])].type, DateTime):  # clocks differ: load looks at times
                raise UsageError(f"{name}: {': '.join(described(fault))}") from error


def described(fault: ErrorDetails) -> tuple[str, str]:
    """The field of a row that is wrong, and why."""
    says = fault["msg"].removeprefix("Value error, ")
    return ".".join(map(str, fault["loc"][:3])), f"must {allowed(says)}" if " should " in says else says


@cache
def row_type(table: Table) -> type[BaseModel]:
    """A type that accepts the values of one row, of exactly these columns."""
    fields: dict[str, Any] = {}
    for column in table.columns:
        kind = TYPES.get(column.name, _of_database(column))
        fields[column.name] = (kind | None if column.nullable else kind, ...)
    return create_model(table.name, __config__=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False), **fields)
