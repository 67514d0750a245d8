"""Every planned trial with its context as one table in a file, for other programs."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pandas as pd
from sqlalchemy import Engine, select

from unlearnbench.errors import UsageError
from unlearnbench.report.numbers.board import read_board, runs_of
from unlearnbench.store.schema import RunRow, TrialRow

Format = Literal["csv", "jsonl", "parquet"]

JSON_COLUMNS = ("hyperparameters", "versions", "hardware")
"""They hold JSON: as text in CSV and Parquet, as objects in JSON lines."""

_OF_RECORD = ("detail", "weights_hash", "device", "precision", "threads", "isolation", "protocol_version", "created_at")


def export(engine: Engine, file: Path, form: Format, suite: str | None = None) -> int:
    """Write one row for each place on the board of a suite, or of all suites; returns how many.

    The same columns in the same order in every format. Numbers are written so that they are read back to the last bit.

    Raises:
        UsageError: no run to export, or Parquet without pyarrow.
    """
    if form == "parquet" and find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow: install unlearnbench[parquet], or export csv or jsonl")
    frame = exported(engine, suite)
    file.parent.mkdir(parents=True, exist_ok=True)
    if form == "csv":
        frame.to_csv(file, index=False, lineterminator="\n")
    elif form == "jsonl":
        file.write_text("".join(_lines(frame)), encoding="utf-8")
    else:
        frame.to_parquet(file, engine="pyarrow", index=False)
    return len(frame)


def exported(engine: Engine, suite: str | None = None) -> pd.DataFrame:
    """The board's frame of a suite, or of every suite, with what the record and its run say beside it."""
    with engine.connect() as connection:
        known = list(connection.scalars(select(RunRow.suite).distinct().order_by(RunRow.suite)))
        if not known:
            raise UsageError(f"{engine.url} holds no runs: there is nothing to export")
        records = pd.read_sql(
            select(TrialRow.key.label("trial"), *(getattr(TrialRow, name) for name in _OF_RECORD)), connection
        )
    frames = []
    for name in known if suite is None else [suite]:
        frame = read_board(engine, name).frame
        frame = frame[~frame.pop("again")]
        runs = pd.DataFrame(
            {
                "run": run.id,
                "run_started_at": run.started_at,
                "revision": run.revision,
                "versions": json.dumps(run.versions, sort_keys=True),
                "hardware": json.dumps(run.hardware, sort_keys=True),
            }
            for run in runs_of(engine, frame)
        )
        frame.insert(0, "suite", name)
        frames.append(frame.merge(records, how="left", on="trial").merge(runs, how="left", on="run"))
    table = pd.concat(frames, ignore_index=True)
    # A column has the same type whether or not it is empty, and whatever else the store holds.
    texts = [name for name in table.columns if table[name].dtype == object or pd.api.types.is_string_dtype(table[name])]
    types = dict.fromkeys(texts, "string") | dict.fromkeys(("threads", "protocol_version"), "Int64")
    return table.astype(types | dict.fromkeys(("created_at", "run_started_at"), "datetime64[us]"))


def _lines(frame: pd.DataFrame) -> list[str]:
    values = frame.astype(object).where(frame.notna(), None)
    lines = []
    for row in values.to_dict("records"):
        # A place that nobody planned has no run.
        row |= {name: None if row[name] is None else json.loads(row[name]) for name in JSON_COLUMNS}
        lines.append(json.dumps(row, allow_nan=False, default=lambda moment: moment.isoformat()) + "\n")
    return lines
