"""From the store and the frame of trials to the content: no number that the other reports lack."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from unlearnbench.evaluation.statistics import bootstrap_mean
from unlearnbench.problem.corruption import REGULARITIES
from unlearnbench.report.frames import latest_run, map_of, original_column, runs_of, states_of
from unlearnbench.report.site.content import METRICS, Cell, Content, Failure, Group, Method, Row, Run, Trial
from unlearnbench.store.schema import PlannedTrialRow, RunRow, SubmissionRow


def content_of(engine: Engine, suite: str, frame: pd.DataFrame, table: pd.DataFrame) -> Content:
    """The content for the frame of `trials` and its `ranking`.

    Raises:
        UsageError: the store has no run of this suite.
    """
    latest = latest_run(engine, suite)
    regularities = tuple(name for name in reversed(REGULARITIES) if (frame["regularity"] == name).any())
    rates = sorted(frame["discovery_rate"].unique())
    submissions = _submissions(engine, frame)
    several = frame.groupby("regularity")["corruption"].nunique().max() > 1
    shared = table.duplicated(["stands_on", "rank"], keep=False) & table["rank"].notna()
    own = dict(list(frame.groupby("method")))
    methods = [
        _method(row, bool(tied), own[row["method"]], submissions[row["method"]], list(regularities), rates, several)
        for row, tied in zip(table.to_dict("records"), shared, strict=True)
    ]
    states = frame["state"].value_counts()
    return Content(
        suite=suite,
        title=latest.suite_specification.get("title", suite),
        latest=latest,
        specification=tuple(flat(latest.suite_specification)),
        runs=tuple(_runs(engine, frame, latest)),
        regularities=regularities,
        rates=tuple(100 * rate for rate in rates),
        groups=tuple(_groups(methods)),
        originals=tuple(_originals(frame)),
        trials=len(frame),
        failed=int(states.get("failed", 0)),
        missing=int(states.get("missing", 0)),
        seeds=frame["corruption_seed"].nunique(),
    )


def page_of(method: str) -> str:
    """The file of a method's page."""
    name = re.sub(r"[^\w]+", "-", method).strip("-")
    return f"method-{name}.html"


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested tables as dotted keys with their values in JSON."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)


def _submissions(engine: Engine, frame: pd.DataFrame) -> dict[str, SubmissionRow]:
    """The stored submission of each method, found by one of its trials."""
    first = frame.drop_duplicates("method")
    methods: dict[str, str] = dict(zip(first["trial"], first["method"], strict=True))
    trials = list(methods)
    found: dict[str, SubmissionRow] = {}
    with Session(engine) as session:
        for start in range(0, len(trials), 500):
            query = (
                select(PlannedTrialRow.trial_key, SubmissionRow)
                .join(SubmissionRow, SubmissionRow.key == PlannedTrialRow.submission_key)
                .where(PlannedTrialRow.trial_key.in_(trials[start : start + 500]))
            )
            found |= {methods[trial]: submission for trial, submission in session.execute(query)}
    return found


def _method(
    row: Row,
    tied: bool,
    own: pd.DataFrame,
    submission: SubmissionRow,
    regularities: list[str],
    rates: list[float],
    several: bool,
) -> Method:
    name = row["method"]
    finished = own[own["state"] == "finished"]
    return Method(
        name=name,
        page=page_of(name),
        row=row,
        tied=tied,
        submission=submission,
        hyperparameters=json.loads(own["hyperparameters"].iloc[0]),
        source_hash=own["source_hash"].iloc[0],
        cells=_cells(own, name, regularities, rates, several),
        originals=_original_rows(own, name, regularities),
        failures=tuple(_failures(own)),
        forward_samples=_mean(finished["forward_samples"]),
        backward_samples=_mean(finished["backward_samples"]),
    )


def _mean(counts: pd.Series[Any]) -> float:
    return float(counts.astype("float64").mean())


def _cells(
    own: pd.DataFrame, name: str, regularities: list[str], rates: list[float], several: bool
) -> tuple[tuple[Cell, ...], ...]:
    maps = {
        metric: map_of(own, metric, name).reindex(index=regularities, columns=rates).to_numpy(dtype=float)
        for metric in METRICS
    }
    states = states_of(own, name).reindex(index=regularities, columns=rates, fill_value="missing").to_numpy()
    groups: dict[tuple[str, float], list[Trial]] = {}
    # The frame is wide, and its columns are of many types: going through all of them would take seconds.
    rows = own[["regularity", "discovery_rate", "corruption", "corruption_seed", "state", "reason", *METRICS]]
    for row in rows.to_dict("records"):
        groups.setdefault((row["regularity"], row["discovery_rate"]), []).append(_trial(row, several))

    def cell(y: int, x: int) -> Cell:
        trials = tuple(groups.get((regularities[y], rates[x]), ()))
        counted = np.array([trial.values["aggregate"] for trial in trials if trial.state != "missing"])
        return Cell(
            regularity=regularities[y],
            rate=100 * rates[x],
            state=states[y, x],
            values={metric: float(values[y, x]) for metric, values in maps.items()},
            # A generator a cell: its interval does not depend on which others are shown.
            product=bootstrap_mean(counted[~np.isnan(counted)], np.random.default_rng(0)),
            trials=trials,
        )

    return tuple(tuple(cell(y, x) for x in range(len(rates))) for y in range(len(regularities)))


def _trial(row: Row, several: bool) -> Trial:
    values = {metric: 100 * row[metric] for metric in METRICS}
    if row["state"] == "failed":
        values["aggregate"] = 0.0
    seed = f"seed {row['corruption_seed']}"
    label = f"{row['corruption']}, {seed}" if several else seed
    return Trial(label, row["state"], reason(row["reason"]) if row["state"] == "failed" else "", values)


def reason(text: str | None) -> str:
    """Why a trial failed, in one line."""
    return "no reason recorded" if pd.isna(text) else " ".join(str(text).split())


def _original_rows(own: pd.DataFrame, name: str, regularities: list[str]) -> tuple[dict[str, float], ...]:
    columns = {metric: original_column(own, metric, name).reindex(regularities) for metric in METRICS}
    return tuple(
        {metric: float(column[regularity]) for metric, column in columns.items()} for regularity in regularities
    )


def _failures(own: pd.DataFrame) -> Iterator[Failure]:
    failed = own[own["state"] == "failed"]
    for text, group in failed.groupby(failed["reason"].map(reason)):
        places = tuple(
            f"{regularity} at {', '.join(f'{100 * rate:g}%' for rate in sorted(cell['discovery_rate'].unique()))}"
            for regularity, cell in group.groupby("regularity")
        )
        yield Failure(str(text), len(group), places)


def _groups(methods: list[Method]) -> Iterator[Group]:
    """In the order of the ranking: the methods on the suite's first kind of original, its references, other kinds."""
    first = [method for method in methods if " on " not in method.name]
    others = [method for method in methods if " on " in method.name]
    ranked = tuple(method for method in first if not method.reference)
    references = tuple(method for method in first if method.reference)
    if ranked:
        yield Group("Methods", "", ranked)
    if references:
        yield Group(
            "References",
            "Shown outside the ranking: they know what no method may know, or are there to compare with.",
            references,
        )
    for kind in dict.fromkeys(method.row["stands_on"] for method in others):
        group = tuple(method for method in others if method.row["stands_on"] == kind)
        note = "They start from another kind of original model, and are ranked among themselves only."
        yield Group(f"On originals with {kind}", note, group)


def _originals(frame: pd.DataFrame) -> Iterator[Row]:
    """The originals that the trials start from, as far as they are stored."""
    known = frame[frame["absorbed"].notna()].drop_duplicates("original")
    yield from known.sort_values(["stands_on", "corruption", "corruption_seed"], kind="stable").to_dict("records")


def _runs(engine: Engine, frame: pd.DataFrame, latest: RunRow) -> Iterator[Run]:
    recorded = frame.loc[frame["state"] != "missing", "run"].value_counts()
    now = dict(flat(latest.suite_specification))
    for row in runs_of(engine, frame):
        then = dict(flat(row.suite_specification))
        keys = [key for key in (*then, *(key for key in now if key not in then)) if then.get(key) != now.get(key)]
        changed = tuple((key, then.get(key, "not set")) for key in keys)
        yield Run(row, int(recorded.get(row.id, 0)), changed)
