"""Gather what the site shows of each method: its cells, its trials, its failures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from unlearnbench.evaluation.statistics import estimate
from unlearnbench.report.numbers.frames import map_of, original_column, places, states_of
from unlearnbench.report.numbers.regularity import values_of
from unlearnbench.report.numbers.totals import shown
from unlearnbench.report.site.content import METRICS, Cell, Failure, Method, Row, Trial
from unlearnbench.report.wording import in_order
from unlearnbench.store.labels import method_label
from unlearnbench.store.schema import SubmissionRow

OF_ORIGINALS = {
    "aggregate": "aggregate",
    "healed_train": "healed_train",
    "healed_undiscovered": "healed_train",  # nothing is discovered there, so all corrupted samples count
    "healed_test": "healed_test",
    "utility": "utility",
}
"""Which metric of an original stands beside one of a method."""


USED = [
    *("method", "seed", "whole", "again", "corruption", "discovery_rate", "trial", "state", "reason", *METRICS),
    *("original", "original_weights_hash", *(f"original_{name}" for name in sorted(set(OF_ORIGINALS.values())))),
    *("hyperparameters", "source_hash", "forward_samples", "backward_samples", "measured"),
]
"""The columns that are read here: each copy of the whole wide frame would take a while."""


def methods_of(frame: pd.DataFrame, table: pd.DataFrame, submissions: dict[Any, SubmissionRow]) -> list[Method]:
    """The methods of a board's frame, in the order of its `ranking`. `submissions`: by name and variant."""
    own, rates = (
        dict(list(frame[[name for name in USED if name in frame]].groupby("method"))),
        sorted(frame["discovery_rate"].unique()),
    )
    numbers = _originals(frame)
    return [
        _method(row, own[row["method"]], submissions[row["submission"], row["variant"]], rates, numbers)
        for row in table.to_dict("records")
    ]


def page_of(method: str) -> str:
    """The file name of a method's page."""
    name = re.sub(r"[^\w]+", "-", method).strip("-")
    return f"method-{name}.html"


def reason(text: str | None) -> str:
    """A reason of failure on one line."""
    return "no reason recorded" if pd.isna(text) else " ".join(str(text).split())


def _method(
    row: Row, own: pd.DataFrame, submission: SubmissionRow, rates: list[float], numbers: dict[str, int]
) -> Method:
    name = row["method"]
    finished = own[own["state"] == "finished"]
    return Method(
        name=name,
        page=page_of(name),
        row=row,
        called=method_label(row["submission"], row["variant"]),
        submission=submission,
        hyperparameters=json.loads(own["hyperparameters"].iloc[0]),
        source_hash=own["source_hash"].iloc[0],
        cells=_cells(own, name, rates),
        originals=_original_rows(own, name),
        started=_started(own, numbers),
        failures=tuple(_failures(own)),
        forward_samples=_mean(finished["forward_samples"]),
        backward_samples=_mean(finished["backward_samples"]),
        blind=bool(own["again"].any()),
    )


def _mean(counts: pd.Series[Any]) -> float:
    return float(counts.astype("float64").mean())


def _cells(own: pd.DataFrame, name: str, rates: list[float]) -> tuple[tuple[Cell, ...], ...]:
    maps = {metric: map_of(own, metric, name).to_numpy(dtype=np.float64) for metric in METRICS}
    states, corruptions = states_of(own, name).to_numpy(), in_order(own["corruption"], values_of(own))
    groups: dict[tuple[str, float], list[Trial]] = {}
    rows = shown(own)[["corruption", "discovery_rate", "seed", "trial", "state", "reason", *METRICS]]
    for row in rows.to_dict("records"):
        groups.setdefault((row["corruption"], row["discovery_rate"]), []).append(_trial(row))

    def cell(y: int, x: int) -> Cell:
        trials = tuple(groups.get((corruptions[y], rates[x]), ()))
        counted = np.array(
            [trial.values["aggregate"] for trial in trials if trial.state != "missing"], dtype=np.float64
        )
        return Cell(
            corruption=corruptions[y],
            rate=100 * rates[x],
            state=states[y, x],
            values={metric: float(values[y, x]) for metric, values in maps.items()},
            product=estimate(counted),
            trials=trials,
        )

    return tuple(tuple(cell(y, x) for x in range(len(rates))) for y in range(len(corruptions)))


def _trial(row: Row) -> Trial:
    values = {metric: 100 * row[metric] for metric in METRICS}
    if row["state"] == "failed":
        values["aggregate"] = 0.0
    why = reason(row["reason"]) if row["state"] == "failed" else ""
    key = None if row["state"] == "missing" else row["trial"]
    return Trial(key, row["seed"], row["state"], why, values)


def _original_rows(own: pd.DataFrame, name: str) -> tuple[dict[str, float], ...]:
    """Metrics of the originals by row; nan if not measured."""
    names, missing = in_order(own["corruption"], values_of(own)), float("nan")
    columns = {
        metric: original_column(own, source, name).reindex(names).tolist() for metric, source in OF_ORIGINALS.items()
    }
    return tuple(
        {metric: float(columns[metric][index]) if metric in columns else missing for metric in METRICS}
        for index in range(len(names))
    )


def _originals(frame: pd.DataFrame) -> dict[str, int]:
    """A number for each set of weights that trials started from."""
    return {name: index for index, name in enumerate(sorted(frame["original_weights_hash"].dropna().unique()))}


def _started(own: pd.DataFrame, numbers: dict[str, int]) -> tuple[tuple[int, ...], ...]:
    rows = shown(own)
    seeds = rows["seed"].drop_duplicates().tolist()
    known = rows[rows["whole"] & rows["original_weights_hash"].notna()].drop_duplicates(["corruption", "seed"])
    at = {(row.corruption, row.seed): numbers[str(row.original_weights_hash)] for row in known.itertuples()}
    return tuple(
        tuple(at.get((name, seed), -1) for seed in seeds) for name in in_order(own["corruption"], values_of(own))
    )


def _failures(own: pd.DataFrame) -> Iterator[Failure]:
    failed = own[(own["state"] == "failed") & ~own["again"]]
    for text, group in failed.groupby(failed["reason"].map(reason)):
        yield Failure(str(text), len(group), tuple(places(group)))
