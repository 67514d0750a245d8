"""Gather the content of the site from the store and a board."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine

from unlearnbench.evaluation.statistics import estimate
from unlearnbench.problems.names import data_name
from unlearnbench.report.numbers.board import Board, runs_of, shown
from unlearnbench.report.numbers.budget import budget_words, over_budget
from unlearnbench.report.numbers.frames import (
    healing_correlation,
    map_of,
    original_column,
    places,
    states_of,
)
from unlearnbench.report.numbers.regularity import values_of
from unlearnbench.report.numbers.totals import beyond_oracle, incomplete
from unlearnbench.report.site.content import METRICS, Cell, Content, Failure, Group, Method, Row, Run, Trial
from unlearnbench.report.text.tables import UNPAIRED_NOTE, over_budget_note, unpaired_words
from unlearnbench.report.wording import LONG_LABELS, in_order, openness, row_labels
from unlearnbench.store.labels import original_names
from unlearnbench.store.origins import of_runs
from unlearnbench.store.results import submissions_by_key
from unlearnbench.store.schema import RunRow, SubmissionRow


def content_of(engine: Engine, board: Board, table: pd.DataFrame) -> Content:
    """The content of the site for a board and its `ranking`."""
    frame, suite = board.frame, board.suite
    rates = sorted(frame["discovery_rate"].unique())
    submissions = {(row.name, row.variant): row for row in submissions_by_key(engine, board.submissions)}
    own = dict(list(frame.groupby("method")))
    methods = [
        _method(row, own[row["method"]], submissions[row["submission"], row["variant"]], rates)
        for row in table.to_dict("records")
    ]
    trials = frame[~frame["again"]]
    states = trials["state"].value_counts()
    specification = json.loads(json.dumps(asdict(suite) | {"dataset": data_name(suite.dataset)}))
    runs = runs_of(engine, frame)
    return Content(
        suite=suite.name,
        title=suite.title,
        latest=runs[-1],
        specification=tuple(flat(specification)),
        runs=tuple(_runs(frame, runs, of_runs(engine, [run.id for run in runs]), specification)),
        corruptions=row_labels(frame["corruption"], LONG_LABELS, values_of(frame)),
        short=row_labels(frame["corruption"], measured=values_of(frame)),
        rates=tuple(100 * rate for rate in rates),
        groups=tuple(_groups(methods, suite.base.label)),
        originals=tuple(_originals(frame)),
        correlations=tuple(healing_correlation(frame, low_utility=suite.low_utility).to_dict("records")),
        beyond=tuple(beyond_oracle(frame).to_dict("records")),
        incomplete=tuple(incomplete(board.totals).to_dict("records")),
        stale=board.stale,
        unpaired=f"{UNPAIRED_NOTE} {unpaired_words(table)}." if table["unpaired"].any() else "",
        over_budget=over_budget_note(over_budget(table), suite),
        budget=budget_words(suite),
        trials=len(trials),
        failed=int(states.get("failed", 0)),
        missing=int(states.get("missing", 0)),
        seeds=board.seeds,
        openness=openness(suite.commitment),
    )


def page_of(method: str) -> str:
    """The file name of a method's page."""
    name = re.sub(r"[^\w]+", "-", method).strip("-")
    return f"method-{name}.html"


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested tables as dotted keys with their values in JSON."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)


def _method(row: Row, own: pd.DataFrame, submission: SubmissionRow, rates: list[float]) -> Method:
    name = row["method"]
    finished = own[own["state"] == "finished"]
    return Method(
        name=name,
        page=page_of(name),
        row=row,
        submission=submission,
        hyperparameters=json.loads(own["hyperparameters"].iloc[0]),
        source_hash=own["source_hash"].iloc[0],
        cells=_cells(own, name, rates),
        originals=_original_rows(own, name),
        failures=tuple(_failures(own)),
        forward_samples=_mean(finished["forward_samples"]),
        backward_samples=_mean(finished["backward_samples"]),
    )


def _mean(counts: pd.Series[Any]) -> float:
    return float(counts.astype("float64").mean())


def _cells(own: pd.DataFrame, name: str, rates: list[float]) -> tuple[tuple[Cell, ...], ...]:
    maps = {metric: map_of(own, metric, name).to_numpy(dtype=np.float64) for metric in METRICS}
    states, corruptions = states_of(own, name).to_numpy(), in_order(own["corruption"], values_of(own))
    groups: dict[tuple[str, float], list[Trial]] = {}
    # Converting all columns of the wide frame would take seconds.
    rows = shown(own)[["corruption", "discovery_rate", "seed", "state", "reason", *METRICS]]
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
    return Trial(f"seed {row['seed']}", row["state"], why, values)


def reason(text: str | None) -> str:
    """A reason of failure on one line."""
    return "no reason recorded" if pd.isna(text) else " ".join(str(text).split())


def _original_rows(own: pd.DataFrame, name: str) -> tuple[dict[str, float], ...]:
    """Metrics of the originals by row. Nothing is discovered there, so all corrupted samples count as undiscovered."""
    names = in_order(own["corruption"], values_of(own))
    of = {metric: "healed_train" if metric == "healed_undiscovered" else metric for metric in METRICS}
    columns = {metric: original_column(own, source, name).reindex(names) for metric, source in of.items()}
    return tuple({metric: float(column[corruption]) for metric, column in columns.items()} for corruption in names)


def _failures(own: pd.DataFrame) -> Iterator[Failure]:
    failed = own[(own["state"] == "failed") & ~own["again"]]
    for text, group in failed.groupby(failed["reason"].map(reason)):
        yield Failure(str(text), len(group), tuple(places(group)))


def _groups(methods: list[Method], base: str) -> Iterator[Group]:
    """Methods, other variants and references on the suite's first kind of original, then a group per other kind."""
    first = [method for method in methods if method.row["starts_from"] == base]
    others = [method for method in methods if method.row["starts_from"] != base]
    ranked = tuple(method for method in first if method.row["ranked"])
    references = tuple(method for method in first if method.reference)
    beside = tuple(method for method in first if not method.row["ranked"] and not method.reference)
    if ranked:
        yield Group("Methods", "", ranked)
    if beside:
        yield Group(
            "Other variants", "Not ranked: only one variant of a method is, the tuned one if there is one.", beside
        )
    if references:
        yield Group(
            "References",
            "Not ranked: they know what no method may know, or serve as a comparison.",
            references,
        )
    for kind in dict.fromkeys(method.row["starts_from"] for method in others):
        group = tuple(method for method in others if method.row["starts_from"] == kind)
        note = "They start from another kind of original model and are ranked separately."
        yield Group(f"On originals with {kind}", note, group)


def _originals(frame: pd.DataFrame) -> Iterator[Row]:
    """The stored originals that the trials start from."""
    known = frame[frame["absorbed"].notna()].drop_duplicates("original")
    known = known.assign(starts_from=original_names(known))
    yield from known.sort_values(["starts_from", "corruption", "corruption_seed"], kind="stable").to_dict("records")


def _runs(
    frame: pd.DataFrame, runs: list[RunRow], origins: Mapping[str, tuple[str, ...]], specification: dict[str, Any]
) -> Iterator[Run]:
    recorded = frame.loc[(frame["state"] != "missing") & ~frame["again"], "run"].value_counts()
    now = dict(flat(specification))
    for row in runs:
        then = dict(flat(row.suite_specification))
        added = [key for key in now if key not in then and now[key] not in ("null", "{}")]  # a later setting, unused
        keys = [*(key for key in then if then[key] != now.get(key)), *added]
        changed = tuple((key, then.get(key, "not set")) for key in keys)
        yield Run(row, int(recorded.get(row.id, 0)), origins.get(row.id, ()), changed)
