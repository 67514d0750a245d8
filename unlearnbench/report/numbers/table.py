"""The table of trials (`store.columns`) and its files: trials.csv of a leaderboard, baselines, exports."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from sqlalchemy import Engine

from unlearnbench.errors import UsageError
from unlearnbench.report.escaping import csv_frame, from_csv_text
from unlearnbench.report.numbers.board import PLACE, Board, read_board, runs_of
from unlearnbench.store.columns import COLUMNS, DTYPES, Column
from unlearnbench.store.results import suites
from unlearnbench.system.files import replacing

FileFormat = Literal["csv", "jsonl", "parquet"]

JSON_COLUMNS = tuple(name for name, column in COLUMNS.items() if column.kind == "json")
"""Text in CSV and Parquet, objects in JSON lines."""

AGAIN = "write it again with `unlearnbench baseline`"
STATES = ("finished", "failed", "missing")
MEASURED = ("healed_train", "healed_test", "utility", "aggregate")
"""The metrics that every finished trial has."""


def table_of(engine: Engine, board: Board) -> pd.DataFrame:
    """The rows of a board joined with their runs, with the columns `COLUMNS` in order and with their dtypes."""
    runs = pd.DataFrame(
        {
            "run": run.id,
            "run_started_at": run.started_at,
            "revision": run.revision,
            "versions": json.dumps(run.versions, sort_keys=True),
            "hardware": json.dumps(run.hardware, sort_keys=True),
        }
        for run in runs_of(engine, board.frame)
    )
    return _typed(board.frame.assign(suite=board.suite.name).merge(runs, how="left", on="run"))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Give columns their dtypes, which must not depend on their values."""
    return frame[list(COLUMNS)].astype({name: DTYPES[column.kind] for name, column in COLUMNS.items()})


def export(engine: Engine, file: Path, form: FileFormat = "csv", suite: str | None = None) -> int:
    """Write the table of a suite, or of all suites one after the other; returns the number of trials.

    Raises:
        UsageError: there is no run to export, or as `read_board` and `write`.
    """
    names = suites(engine) if suite is None else [suite]
    if not names:
        raise UsageError(f"{engine.url} has no runs: there is nothing to export")
    tables = [table_of(engine, read_board(engine, name)) for name in names]
    write(tables, file, form)
    return sum(int((~table["again"]).sum()) for table in tables)


def recorded(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table or a board's frame with a record, each trial once."""
    return table[(table["state"] != "missing") & ~table["again"].astype(bool)]


def write(tables: Iterable[pd.DataFrame], file: Path, form: FileFormat = "csv") -> None:
    """Write tables one after the other. Equal rows give equal bytes; floats are written without loss.

    Raises:
        UsageError: pyarrow is missing for Parquet, or the file cannot be written.
    """
    if form == "parquet" and find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow: install unlearnbench[parquet], or export csv or jsonl")
    table = pd.concat(tables, ignore_index=True)
    with replacing(file) as part:
        if form == "csv":
            csv_frame(table).to_csv(part, index=False, lineterminator="\n")
        elif form == "jsonl":
            part.write_text("".join(_lines(table)), encoding="utf-8")
        else:
            table.to_parquet(part, engine="pyarrow", index=False)


def _lines(table: pd.DataFrame) -> list[str]:
    values = table.astype(object).where(table.notna(), None)
    lines = []
    for row in values.to_dict("records"):
        # A place that was not planned has no run.
        row |= {name: None if row[name] is None else json.loads(row[name]) for name in JSON_COLUMNS}
        lines.append(json.dumps(row, allow_nan=False, default=lambda moment: moment.isoformat()) + "\n")
    return lines


def read(file: Path) -> pd.DataFrame:
    """Read the table of one suite from a CSV file.

    Raises:
        UsageError: the first thing wrong in the file, with its line and column.
    """
    lines, rows = _cells(file)
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    columns = {name: _read_column(file, lines, name, column, frame[name]) for name, column in COLUMNS.items()}
    table = pd.DataFrame(columns)
    _check_rows(file, lines, table)
    return table


def _cells(file: Path) -> tuple[list[int], list[list[str]]]:
    """The line in which each row ends, and its cells."""
    lines, rows = [], []
    try:
        with file.open(newline="", encoding="utf-8") as source:
            reader = csv.reader(source, strict=True)
            try:
                for cells in reader:
                    lines.append(reader.line_num)
                    rows.append(cells)
            except csv.Error as error:
                raise UsageError(f"{file}, line {reader.line_num}: {error}; {AGAIN}") from error
    except FileNotFoundError:
        raise UsageError(f"no baseline at {file}: write one with `unlearnbench baseline SUITE --out {file}`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read baseline {file}: {error}") from error
    for place, (found, wanted) in enumerate(zip([*(rows or [[]])[0], ""], [*COLUMNS, ""], strict=False), 1):
        if rows and found != wanted:
            raise UsageError(f"{file}, line 1, column {place}: '{found}', expected '{wanted}'; {AGAIN}")
    if len(rows) < 2:
        raise UsageError(f"{file}: no trials; {AGAIN}")
    for line, cells in zip(lines, rows, strict=True):
        if len(cells) != len(COLUMNS):
            raise UsageError(f"{file}, line {line}: {len(cells)} cells, expected {len(COLUMNS)}; {AGAIN}")
    return lines[1:], rows[1:]


def _read_column(file: Path, lines: list[int], name: str, column: Column, cells: Any) -> Any:
    """Convert a column to its dtype, or report its first wrong cell."""
    present = cells[cells != ""]
    values, why = present, ""
    if column.kind == "json":
        wrong = ~present.map(_is_object).astype(bool)
        why = "not a JSON object"
    elif column.kind == "flag":
        wrong = ~present.isin(("True", "False"))
        values, why = present == "True", "neither True nor False"
    elif column.kind == "moment":
        values = pd.to_datetime(present, errors="coerce", format="ISO8601")
        wrong, why = values.isna(), "not a date and time"
    elif column.kind != "text":
        values = pd.to_numeric(present, errors="coerce")
        most = {"share": 1.0, "integer": 2.0**63 - 1024}.get(column.kind, float("inf"))  # the next float needs 65 bits
        whole = values % 1 == 0 if column.kind == "integer" else True
        wrong = ~((values >= 0) & (values <= most) & (values != float("inf")) & whole)
        why = {"share": "not a share from 0 to 1", "integer": "not a whole number"}.get(
            column.kind, "not a non-negative number"
        )
    else:
        values = present.map(from_csv_text)
        wrong = ~present.isin(STATES) if name == "state" else present.isna()
        why = f"not one of {', '.join(STATES)}"
    if column.given and len(present) < len(cells):
        wrong, why, present = cells == "", "empty", cells
    if wrong.any():
        first = wrong.idxmax()
        where = f"{file}, line {lines[first]}, column '{name}'"
        raise UsageError(f"{where}: '{present[first]}' cannot be read ({why}); {AGAIN}")
    return values.reindex(cells.index).astype(DTYPES[column.kind])


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _check_rows(file: Path, lines: list[int], table: pd.DataFrame) -> None:
    """Check what spans columns: one suite, unique places, metrics of finished trials."""
    names = table["suite"].unique()
    if len(names) > 1:
        raise UsageError(f"{file}: rows of several suites ({', '.join(names)}), but a baseline has one; {AGAIN}")
    for name in MEASURED:
        absent = (table["state"] == "finished") & table[name].isna()
        if absent.any():
            line = lines[int(absent.to_numpy().argmax())]
            raise UsageError(f"{file}, line {line}, column '{name}': a finished trial needs a number here; {AGAIN}")
    seen: dict[tuple[Any, ...], int] = {}
    for line, place in zip(lines, table[PLACE].itertuples(index=False, name=None), strict=True):
        if place in seen:
            raise UsageError(f"{file}, line {line}: duplicate of line {seen[place]}; remove one, or {AGAIN}")
        seen[place] = line
