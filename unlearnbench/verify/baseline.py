"""The baseline of a suite: what was measured, where, and by what code, as a CSV file that a person can review.

One row a recorded trial. What is stored now is read as the same table, so that comparing is a matter of two frames.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine, select

from unlearnbench.errors import UsageError
from unlearnbench.report.numbers.board import SEEDS, read_board
from unlearnbench.report.numbers.totals import RETRAIN
from unlearnbench.store.schema import PlannedTrialRow, RunRow, TrialRow

METRICS = ("healed_train", "healed_undiscovered", "healed_test", "attack_success", "utility", "aggregate")
ALWAYS = ("healed_train", "healed_test", "utility", "aggregate")
"""The metrics that every finished trial has."""
PROBLEM = ("corruption", "discovery_rate", *SEEDS, "capacity", "training")
"""What two trials of a method share when they are compared."""
CODE = ("source_hash", "hyperparameters")
MACHINE = ("processor", "device", "precision", "threads", "torch", "numpy", "protocol")
"""Where any of these differs, the same seed need not give the same numbers."""

HASH = 16
"""Digits of a hash that are written: 64 bits tell two states of a source apart, and fit on a line."""

AGAIN = "write it again with `unlearnbench baseline`"


def _text(value: str) -> str:
    return value


def _given(value: str) -> str:
    if not value:
        raise ValueError("nothing stands here")
    return value


def _object(value: str) -> str:
    if not isinstance(json.loads(value), dict):
        raise ValueError("not a JSON object")
    return value


def _state(value: str) -> str:
    if value not in ("finished", "failed"):
        raise ValueError("neither 'finished' nor 'failed'")
    return value


def _number(value: str) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError("not a number from 0 on")
    return number


def _maybe(value: str) -> float:
    return _number(value) if value else math.nan


def _share(value: str) -> float:
    share = _maybe(value)
    if share > 1:
        raise ValueError("not a share from 0 to 1")
    return share


COLUMNS: dict[str, Callable[[str], Any]] = {
    "suite": _given,
    "method": _given,
    "submission": _given,
    "variant": _given,
    "source_hash": _given,
    "hyperparameters": _object,
    "regularity": _given,
    "corruption": _given,
    "discovery_rate": _number,
    **dict.fromkeys(SEEDS, int),
    "capacity": _number,
    "training": _given,
    "state": _state,
    "reason": _text,
    **dict.fromkeys(METRICS, _share),
    "weights_hash": _text,
    "original_weights_hash": _text,
    "seconds": _maybe,
    "processor_seconds": _maybe,
    "cost": _maybe,
    "processor": _text,
    "device": _given,
    "precision": _given,
    "threads": int,
    "torch": _text,
    "numpy": _text,
    "protocol": int,
    "revision": _text,
}
"""Every column of the file in its order, with what reads a cell."""


def records(engine: Engine, suite: str, run: str | None = None) -> pd.DataFrame:
    """One row for each recorded trial on the board of a suite, `COLUMNS` wide, in the order of the file.

    `cost` is the processor time of a trial as a share of retraining's on the same problem and original.

    Args:
        run: only what this run planned; by default all of the board.

    Raises:
        UsageError: the store has no run of this suite.
    """
    planned = select(PlannedTrialRow.trial_key).join(RunRow, RunRow.id == PlannedTrialRow.run_id)
    planned = planned.where(RunRow.suite == suite if run is None else RunRow.id == run)
    query = (
        select(
            TrialRow.key.label("trial"),
            TrialRow.weights_hash,
            *(TrialRow.device, TrialRow.precision, TrialRow.threads),
            TrialRow.protocol_version.label("protocol"),
            *(RunRow.hardware, RunRow.versions, RunRow.revision),
        )
        .join(RunRow, RunRow.id == TrialRow.run_id)
        .where(TrialRow.key.in_(planned))
    )
    frame = read_board(engine, suite).frame
    with engine.connect() as connection:
        where = pd.read_sql(query, connection)
    for column, source, key in (
        ("processor", "hardware", "processor"),
        ("torch", "versions", "torch"),
        ("numpy", "versions", "numpy"),
    ):
        where[column] = [str(values.get(key, "")) for values in where[source]]
    frame = frame[(frame["state"] != "missing") & ~frame["again"]].merge(where, on="trial")
    times = {name: frame[name].round(3) for name in ("seconds", "processor_seconds")}
    frame = frame.assign(suite=suite, **times, cost=_costs(frame).round(4))
    texts = [column for column, read in COLUMNS.items() if read in (_text, _given, _object, _state)]
    frame = frame.assign(**{column: frame[column].astype(object).fillna("").astype(str) for column in texts})
    for column in ("source_hash", "weights_hash", "original_weights_hash"):
        frame[column] = frame[column].str[:HASH]
    frame["reason"] = [" ".join(reason.split()) for reason in frame["reason"]]
    return _ordered(frame[list(COLUMNS)].astype(dict.fromkeys(SEEDS, "int64")))


def not_recorded(engine: Engine, suite: str) -> dict[str, int]:
    """How many trials of each method lack a record in a seed of which something was planned."""
    frame = read_board(engine, suite).frame
    counts = frame.loc[(frame["state"] == "missing") & ~frame["again"], "method"].value_counts().sort_index()
    return {str(method): int(count) for method, count in counts.items()}


def _costs(frame: pd.DataFrame) -> pd.Series[float]:
    """Each finished trial's processor time as a share of retraining's on its problem and original; nan without one."""
    finished = frame[frame["state"] == "finished"]
    cell = [column for column in PROBLEM if column != "unlearning_seed"]
    retrained = finished[finished["submission"] == RETRAIN].groupby(cell)["processor_seconds"].mean()
    units = retrained.reindex(pd.MultiIndex.from_frame(frame[cell])).to_numpy()
    costs: pd.Series[float] = frame["processor_seconds"] / units
    return costs.where(frame["state"] == "finished")


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["method", *PROBLEM], kind="stable").reset_index(drop=True)


def select_methods(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of these methods: names of submissions, NAME/VARIANT, or as in the ranking; all rows without names."""
    if not names:
        return frame
    exact = frame["submission"] + "/" + frame["variant"]
    return frame[frame["submission"].isin(names) | exact.isin(names) | frame["method"].isin(names)]


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a baseline: a stable order, metrics with all their digits; the same records give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, lineterminator="\n")


def read(path: Path) -> pd.DataFrame:
    """Read a baseline back as `records` makes it.

    Raises:
        UsageError: naming the file, the line and the column of the first thing that is wrong.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = _rows(path, csv.reader(file, strict=True))
    except FileNotFoundError:
        raise UsageError(f"no baseline at {path}: write one with `unlearnbench baseline SUITE --out {path}`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a readable baseline: {error}") from error
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    suites = frame["suite"].unique()
    if len(suites) > 1:
        raise UsageError(f"{path}: rows of several suites ({', '.join(suites)}): a baseline is of one; {AGAIN}")
    return _ordered(frame)


def _rows(path: Path, reader: Any) -> list[list[Any]]:
    """The cells of every row, read by their column's reader."""
    rows: list[list[Any]] = []
    seen: dict[tuple[Any, ...], int] = {}
    identity = [list(COLUMNS).index(column) for column in ("method", *PROBLEM)]
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UsageError(f"{path}, line {reader.line_num}: {error}; {AGAIN}") from error
        line = reader.line_num
        if cells is None:
            break
        if line == 1:
            _check_header(path, cells)
            continue
        if len(cells) != len(COLUMNS):
            raise UsageError(f"{path}, line {line}: {len(cells)} cells instead of {len(COLUMNS)}; {AGAIN}")
        row = [
            _cell(path, line, column, parse, cell) for (column, parse), cell in zip(COLUMNS.items(), cells, strict=True)
        ]
        _check_measured(path, line, dict(zip(COLUMNS, row, strict=True)))
        key = tuple(row[index] for index in identity)
        if key in seen:
            raise UsageError(f"{path}, line {line}: the same trial as line {seen[key]}: remove one, or {AGAIN}")
        seen[key] = line
        rows.append(row)
    if not rows:
        raise UsageError(f"{path}: no trials; {AGAIN}")
    return rows


def _check_header(path: Path, cells: list[str]) -> None:
    for place, (found, wanted) in enumerate(zip([*cells, ""], [*COLUMNS, ""], strict=False), 1):
        if found != wanted:
            raise UsageError(f"{path}, line 1, column {place}: '{found}' instead of '{wanted}'; {AGAIN}")


def _cell(path: Path, line: int, column: str, parse: Callable[[str], Any], cell: str) -> Any:
    try:
        return parse(cell)
    except ValueError as error:
        raise UsageError(
            f"{path}, line {line}, column '{column}': '{cell}' cannot be read ({error}); {AGAIN}"
        ) from error


def _check_measured(path: Path, line: int, row: dict[str, Any]) -> None:
    for column in ALWAYS:
        if row["state"] == "finished" and math.isnan(row[column]):
            raise UsageError(f"{path}, line {line}, column '{column}': a finished trial has a number here; {AGAIN}")
