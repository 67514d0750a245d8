"""The two sides of a check: the recorded trials of a suite, from a CSV file or from a store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine

from unlearnbench.errors import UsageError
from unlearnbench.report.numbers import table
from unlearnbench.report.numbers.board import SEEDS, Board, read_board
from unlearnbench.report.numbers.totals import RETRAIN
from unlearnbench.store.columns import COLUMNS
from unlearnbench.store.results import planned_keys

METRICS = ("healed_train", "healed_undiscovered", "healed_test", "attack_success", "utility", "aggregate")
PROBLEM = ("corruption", "discovery_rate", *SEEDS, "capacity", "training")
"""The columns that pair two trials of a method."""
CODE = ("source_hash", "hyperparameters")
MACHINE = ("processor", "device", "precision", "threads", "torch", "numpy", "protocol")
"""If any of these differs, the same seed need not give the same numbers."""
OF_RUN = {"processor": "hardware", "torch": "versions", "numpy": "versions"}
"""The columns of `MACHINE` that are read from a JSON column of the table."""
COMPARED = (
    *("suite", "method", "submission", "variant", *CODE, *PROBLEM, "state", "reason", *METRICS, "processor_seconds"),
    *("cost", "weights_hash", "original_weights_hash", *MACHINE, "revision", "trial", "problem", "once"),
)


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """The recorded trials of a table, each once, sorted by method and problem, with the columns `COMPARED`.

    `cost` is the processor time of a trial as a share of retraining's on the same problem and original. `once` says
    that the method uses no forget set, so that its trial stands for every rate; a table of one rate does not tell.
    Unknown text is empty.
    """
    once = rows["again"].astype(bool).groupby(rows["method"]).any()
    frame = table.recorded(rows).sort_values(["method", *PROBLEM], kind="stable", ignore_index=True)
    texts = [name for name, column in COLUMNS.items() if column.kind in ("text", "json")]
    frame[texts] = frame[texts].fillna("").astype(object)
    for name, source in OF_RUN.items():
        known = {text: str(json.loads(text or "{}").get(name, "")) for text in frame[source].unique()}
        frame[name] = frame[source].map(known)
    frame["reason"] = [" ".join(reason.split()) for reason in frame["reason"]]
    frame = frame.assign(protocol=frame["protocol_version"], cost=_costs(frame), once=frame["method"].map(once))
    return frame[list(COMPARED)]


def records(engine: Engine, suite: str, run: str | None = None) -> pd.DataFrame:
    """The recorded trials on the board of a suite, as `compared`.

    Args:
        run: key of a run; only trials that it planned. Default: the whole board.

    Raises:
        UsageError: the store has no run of this suite.
    """
    frame = compared(table.table_of(engine, read_board(engine, suite)))
    return frame if run is None else frame[frame["trial"].isin(planned_keys(engine, run))].reset_index(drop=True)


def read(path: Path) -> pd.DataFrame:
    """The recorded trials in a CSV file of one suite, as `compared`.

    Raises:
        UsageError: the first thing wrong in the file, with its line and column.
    """
    frame = compared(table.read(path))
    if frame.empty:
        raise UsageError(f"{path}: no recorded trials; {table.AGAIN}")
    return frame


def not_recorded(board: Board) -> dict[str, int]:
    """Number of missing trials by method, in seeds of which at least one trial was planned."""
    frame = board.frame
    counts = frame.loc[(frame["state"] == "missing") & ~frame["again"], "method"].value_counts().sort_index()
    return {str(method): int(count) for method, count in counts.items()}


def _costs(frame: pd.DataFrame) -> pd.Series[float]:
    """Processor time of each finished trial as a share of retraining's on its problem and original; nan if unknown."""
    finished = frame[frame["state"] == "finished"]
    cell = [column for column in PROBLEM if column != "unlearning_seed"]
    retrained = finished[finished["submission"] == RETRAIN].groupby(cell)["processor_seconds"].mean()
    units = retrained.reindex(pd.MultiIndex.from_frame(frame[cell])).to_numpy()
    costs: pd.Series[float] = frame["processor_seconds"] / units
    return costs.where(frame["state"] == "finished")


def select_methods(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of these methods, given as NAME, NAME/VARIANT or label in the ranking; without names, all rows."""
    if not names:
        return frame
    exact = frame["submission"] + "/" + frame["variant"]
    return frame[frame["submission"].isin(names) | exact.isin(names) | frame["method"].isin(names)]
