"""The planned trials of some runs with their records, read from a store as one frame.

What many trials share (a submission, a problem, an original) is read once and put in beside them: a join in the
database would hand over the same texts a million times.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, Select, and_, func, select

from unlearnbench.store.schema import OriginalRow, PlannedTrialRow, ProblemRow, SubmissionRow, TrialRow

MEASURED = (
    *("healed_train", "healed_discovered", "healed_undiscovered", "healed_test", "utility", "utility_train"),
    *("attack_success", "misled_discovered", "misled_undiscovered", "aggregate", "selection_score"),
    *("seconds", "processor_seconds", "evaluation_seconds", "total_seconds"),
)
SCORES = (
    *("healed_train", "healed_undiscovered", "healed_test", "attack_success", "utility", "aggregate"),
    *("seconds", "processor_seconds"),
)
"""Those of `MEASURED` that rankings and comparisons need."""
COUNTED = ("forward_samples", "backward_samples")
OF_ORIGINAL = ("healed_train", "healed_test", "utility", "utility_train")
CHUNK = 50_000
"""Rows held at a time as Python objects."""
KEYS = {
    "submission_key": (
        SubmissionRow,
        {name: name for name in ("variant", "title", "role", "source_hash", "hyperparameters")}
        | {"submission": "name"},
    ),
    "problem_key": (
        ProblemRow,
        {name: name for name in ("regularity", "corruption", "discovery_rate", "corruption_seed", "corrupted")},
    ),
    "original_key": (
        OriginalRow,
        {f"original_{name}": name for name in OF_ORIGINAL}
        | {name: name for name in ("memorised", "absorbed")}
        | {"original_now": "weights_hash"},
    ),
}
"""What is put in beside a trial for each key that it has: column of the frame -> column of the table."""


def read_rows(
    engine: Engine, runs: Sequence[str], submissions: Sequence[str], levels: Sequence[str], *, brief: bool
) -> pd.DataFrame:
    """One row for each of these runs and each trial of these submissions that it planned, the first run's first.

    Args:
        levels: records of other levels of isolation are not seen.
        brief: without the columns that only a page about single trials needs.
    """
    known: dict[str, dict[str, int]] = {name: {} for name in (*KEYS, "planned_by", "original_weights_hash")}
    with engine.connect() as connection:
        tables = {key: _table(connection, *source) for key, source in KEYS.items()}
        chunks = pd.read_sql(_query(runs, submissions, levels, brief), connection, chunksize=CHUNK)
        frame = pd.concat([_coded(chunk, known) for chunk in chunks], ignore_index=True)
    texts = {name: np.array(list(numbers), dtype=object) for name, numbers in known.items()}
    age = np.array([list(runs).index(run) for run in texts["planned_by"]], dtype=np.int64)
    frame = frame.iloc[np.argsort(age[frame["planned_by"]], kind="stable")].reset_index(drop=True)
    for key, table in tables.items():
        codes = frame.pop(key).to_numpy()
        beside = table.reindex(texts[key]).take(codes).reset_index(drop=True)  # nothing beside an original not trained
        frame = pd.concat([frame, beside], axis=1)
        if key == "original_key":
            frame["original"] = codes if brief else texts[key][codes]
        elif key == "problem_key" and not brief:
            frame["problem"] = texts[key][codes]
    weights = pd.Series(texts["original_weights_hash"][frame.pop("original_weights_hash")])
    # That of the record: a store that was merged may hold another original under the same key.
    frame["original_weights_hash"] = weights.where(weights != "", frame.pop("original_now"))
    frame["original_aggregate"] = frame["original_healed_train"] * frame["original_utility"]
    return frame.drop(columns="planned_by")


def _query(runs: Sequence[str], submissions: Sequence[str], levels: Sequence[str], brief: bool) -> Select[Any]:
    """Every planned trial of these runs and submissions with its record, if there is one."""
    columns: list[Any] = [
        PlannedTrialRow.run_id.label("planned_by"),
        *(PlannedTrialRow.submission_key, PlannedTrialRow.problem_key, PlannedTrialRow.original_key),
        *(PlannedTrialRow.capacity, PlannedTrialRow.training),
        *(PlannedTrialRow.training_seed, PlannedTrialRow.unlearning_seed),
        func.coalesce(TrialRow.state, "missing").label("state"),
        TrialRow.original_weights_hash,
        *(getattr(TrialRow, column) for column in (SCORES if brief else (*MEASURED, *COUNTED, "reason"))),
    ]
    if not brief:
        columns.append(PlannedTrialRow.trial_key.label("trial"))
        columns.append(func.coalesce(TrialRow.run_id, PlannedTrialRow.run_id).label("run"))
    return (
        select(*columns)
        .select_from(PlannedTrialRow)
        .outerjoin(TrialRow, and_(TrialRow.key == PlannedTrialRow.trial_key, TrialRow.isolation.in_(levels)))
        .where(PlannedTrialRow.run_id.in_(runs), PlannedTrialRow.submission_key.in_(submissions))
    )


def _table(connection: Connection, source: Any, columns: dict[str, str]) -> pd.DataFrame:
    """The rows of a table by key."""
    query = select(source.key, *(getattr(source, column).label(name) for name, column in columns.items()))
    table = pd.read_sql(query, connection, index_col="key")
    if "hyperparameters" in table:
        table["hyperparameters"] = [json.dumps(values, sort_keys=True) for values in table["hyperparameters"]]
    if "absorbed" in table:
        numbers = [name for name in table.columns if name not in ("absorbed", "original_now")]
        table = table.astype(dict.fromkeys(numbers, "float64") | {"absorbed": "boolean"})
    return table


def _coded(chunk: pd.DataFrame, known: dict[str, dict[str, int]]) -> pd.DataFrame:
    """The rows with numbers for keys and hashes, whose texts are kept once, in the order of their numbers."""
    codes = {}
    for name, numbers in known.items():
        texts = chunk[name].fillna("")
        for text in texts.unique():
            numbers.setdefault(text, len(numbers))
        codes[name] = texts.map(numbers).to_numpy()
    floats = dict.fromkeys((name for name in MEASURED if name in chunk), "float64")
    counts = dict.fromkeys((name for name in COUNTED if name in chunk), "Int64")
    return chunk.assign(**codes).astype(floats | counts)
