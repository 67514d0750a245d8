"""From the results database to data frames: every planned trial of a suite, and what is summarised from them.

Trials hold accuracies as shares in [0, 1] and times in seconds, as stored; rankings and maps are in percent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import pandas as pd
from sqlalchemy import Engine, Select, case, func, select
from sqlalchemy.orm import Session

from unlearnbench.engine.isolation import Isolation, at_least
from unlearnbench.errors import UsageError
from unlearnbench.evaluation.statistics import Values, bootstrap_mean, mean, pearson, sem, spearman
from unlearnbench.problem.corruption import REGULARITIES
from unlearnbench.problem.suite import Originals, OriginalSpec
from unlearnbench.store.schema import OriginalRow, PlannedTrialRow, ProblemRow, RunRow, SubmissionRow, TrialRow

LowUtility = Literal["relative", "absolute"]
"""What a utility is held against: that of the trial's original model, or the threshold alone (as published)."""

State = Literal["finished", "partly failed", "failed", "partly missing", "missing"]

RETRAIN = "retrain"
"""The submission whose time is the unit of cost."""

REFERENCE = "reference"
"""The role of a submission that is shown outside the ranking."""

LOW_UTILITY_THRESHOLD = 0.8

_MEASURED = (
    *("healed_train", "healed_discovered", "healed_undiscovered", "healed_test", "utility", "utility_train"),
    *("aggregate", "selection_score", "seconds", "evaluation_seconds", "total_seconds"),
)
_COUNTED = ("forward_samples", "backward_samples")
_OF_ORIGINAL = ("healed_train", "healed_test", "utility", "utility_train")


def latest_run(engine: Engine, suite: str) -> RunRow:
    """The run of the suite that started last.

    Raises:
        UsageError: the store has no run of this suite.
    """
    with Session(engine) as session:
        query = select(RunRow).where(RunRow.suite == suite).order_by(RunRow.started_at.desc(), RunRow.id.desc())
        run = session.scalars(query.limit(1)).first()
        known = session.scalars(select(RunRow.suite).distinct().order_by(RunRow.suite)).all()
    if run is None:
        raise UsageError(f"the store has no run of suite '{suite}'; it has runs of: {', '.join(known) or 'no suite'}")
    return run


def runs_of(engine: Engine, frame: pd.DataFrame) -> list[RunRow]:
    """The runs that recorded the trials of the frame, or planned them where a record is missing; oldest first."""
    keys = frame["run"].unique().tolist()
    with Session(engine) as session:
        query = select(RunRow).where(RunRow.id.in_(keys)).order_by(RunRow.started_at, RunRow.id)
        return list(session.scalars(query))


def trials(engine: Engine, suite: str, *, isolation: Isolation = "process") -> pd.DataFrame:
    """One row for each planned trial of the suite: its method, problem, original, and record if there is one.

    A method's trials are those of the latest run that planned it; runs at the level of isolation that is demanded, or
    a higher one, go before others, and a record of a lower level counts as missing. `state` is `finished`, `failed`,
    or `missing` where there is no record; `unlearning_seed` and all that is measured are then missing too.

    Raises:
        UsageError: the store has no run of this suite.
    """
    base = _base(latest_run(engine, suite).suite_specification)
    with engine.connect() as connection:
        frame = pd.read_sql(_trials_query(suite, at_least(isolation)), connection)
    originals = [column for column in frame.columns if column.startswith("original_")]
    floats = [*_MEASURED, "memorised", *originals]
    frame["hyperparameters"] = [json.dumps(values, sort_keys=True) for values in frame["hyperparameters"]]
    # A method on another original is another row of every figure and table.
    kinds = [OriginalSpec(*pair) for pair in zip(frame["capacity"], frame["training"], strict=True)]
    frame["stands_on"] = [kind.label for kind in kinds]
    suffixes = [_difference(kind, base) for kind in kinds]
    frame["method"] = [f"{method}{suffix}" for method, suffix in zip(frame["method"], suffixes, strict=True)]
    # A column that is empty in the store has no type of its own.
    types = dict.fromkeys(floats, "float64") | dict.fromkeys((*_COUNTED, "training_seed", "unlearning_seed"), "Int64")
    return frame.astype(types | {"absorbed": "boolean"})


def _base(specification: dict[str, Any]) -> OriginalSpec:
    """The original that a suite names first."""
    originals = specification.get("originals") or asdict(Originals())
    return OriginalSpec(originals["capacities"][0], originals["trainings"][0])


def _difference(kind: OriginalSpec, base: OriginalSpec) -> str:
    """What a method's name says of the original that it stands on, where that is not the suite's first."""
    parts = [f"{100 * kind.capacity:g}%"] if kind.capacity != base.capacity else []
    if kind.training != base.training:
        parts.append(kind.training.replace("-", " "))
    return f" on {', '.join(parts)}" if parts else ""


def _trials_query(suite: str, levels: Sequence[str]) -> Select[Any]:
    newest_first = (case((RunRow.isolation.in_(levels), 0), else_=1), RunRow.started_at.desc(), RunRow.id.desc())
    planned_methods = (
        select(
            PlannedTrialRow.run_id,
            PlannedTrialRow.submission_key,
            func.rank()
            .over(partition_by=(SubmissionRow.name, SubmissionRow.variant), order_by=newest_first)
            .label("age"),
        )
        .distinct()
        .join(RunRow, RunRow.id == PlannedTrialRow.run_id)
        .join(SubmissionRow, SubmissionRow.key == PlannedTrialRow.submission_key)
        .where(RunRow.suite == suite)
        .subquery()
    )
    name, variant = SubmissionRow.name, SubmissionRow.variant
    return (
        select(
            case((variant == "default", name), else_=name + "/" + variant).label("method"),
            *(SubmissionRow.title, SubmissionRow.role),
            *(PlannedTrialRow.capacity, PlannedTrialRow.training),
            *(ProblemRow.regularity, ProblemRow.corruption, ProblemRow.discovery_rate, ProblemRow.corruption_seed),
            *(OriginalRow.training_seed, TrialRow.unlearning_seed),
            func.coalesce(TrialRow.state, "missing").label("state"),
            TrialRow.reason,
            *(getattr(TrialRow, column) for column in (*_MEASURED, *_COUNTED)),
            *(getattr(OriginalRow, column).label(f"original_{column}") for column in _OF_ORIGINAL),
            (OriginalRow.healed_train * OriginalRow.utility).label("original_aggregate"),
            *(OriginalRow.memorised, OriginalRow.absorbed),
            *(SubmissionRow.source_hash, SubmissionRow.hyperparameters),
            PlannedTrialRow.trial_key.label("trial"),
            PlannedTrialRow.original_key.label("original"),
            func.coalesce(TrialRow.run_id, PlannedTrialRow.run_id).label("run"),
        )
        .select_from(planned_methods)
        .join(
            PlannedTrialRow,
            (PlannedTrialRow.run_id == planned_methods.c.run_id)
            & (PlannedTrialRow.submission_key == planned_methods.c.submission_key),
        )
        .join(ProblemRow, ProblemRow.key == PlannedTrialRow.problem_key)
        .join(SubmissionRow, SubmissionRow.key == PlannedTrialRow.submission_key)
        # A missing trial's original may be missing as well.
        .outerjoin(OriginalRow, OriginalRow.key == PlannedTrialRow.original_key)
        .outerjoin(TrialRow, (TrialRow.key == PlannedTrialRow.trial_key) & TrialRow.isolation.in_(levels))
        .where(planned_methods.c.age == 1)
        .order_by("method", ProblemRow.corruption, ProblemRow.discovery_rate, ProblemRow.corruption_seed, "trial")
    )


def scored(frame: pd.DataFrame, metric: str) -> pd.Series[float]:
    """The metric of each trial that counts: in the aggregate a failed trial is 0, elsewhere it is left out."""
    values = frame[metric]
    if metric == "aggregate":
        values = values.mask(frame["state"] == "failed", 0.0)
    return values[frame["state"] != "missing"].dropna()


def ranking(frame: pd.DataFrame, *, baseline: str = RETRAIN, seed: int = 0) -> pd.DataFrame:
    """One row a method, over all cells x seeds, accuracies in percent; sorted by aggregate, references last.

    Methods are ranked among those that stand on the same kind of original; the suite's first kind comes first.

    A failed trial counts as aggregate 0; healed, utility and seconds are means over finished trials. Missing trials
    count nowhere. `cost` is the mean time as a share of the `baseline` method's on the same kind of
    original. References and methods without a single record have no rank.
    """
    retrained = frame[(frame["method"] == baseline) | frame["method"].str.startswith(f"{baseline} on ")]
    units = {kind: mean(_finished(group, "seconds")) for kind, group in retrained.groupby("stands_on")}
    names = ["method", "title", "role", "stands_on"]
    # A generator a method: a method's interval does not depend on which others are shown.
    rows = [dict(zip(names, key, strict=True)) | _totals(group, seed) for key, group in frame.groupby(names)]
    table = pd.DataFrame(rows)
    table["cost"] = table["seconds"] / table["stands_on"].map(units).astype(float)
    reference = table["role"] == REFERENCE
    rank = table["aggregate"].mask(reference).groupby(table["stands_on"]).rank(ascending=False, method="min")
    table.insert(0, "rank", rank.astype("Int64"))
    other = table["method"].str.contains(" on ", regex=False)
    order = table.assign(reference=reference, kind=table["stands_on"].where(other, "")).sort_values(
        ["kind", "reference", "aggregate", "method"], ascending=[True, True, False, True]
    )
    return table.loc[order.index].reset_index(drop=True)


def _totals(trials: pd.DataFrame, seed: int) -> dict[str, float]:
    """What the ranking says about one method's trials."""
    healed, utility = (100 * _finished(trials, metric) for metric in ("healed_train", "utility"))
    aggregate = 100 * scored(trials, "aggregate").to_numpy()
    interval = bootstrap_mean(aggregate, np.random.default_rng(seed))
    return {
        "healed": mean(healed),
        "healed_sem": sem(healed),
        "utility": mean(utility),
        "utility_sem": sem(utility),
        "aggregate": interval.value,
        "aggregate_sem": sem(aggregate),
        "aggregate_low": interval.low,
        "aggregate_high": interval.high,
        "trials": len(trials),
        "failed": int((trials["state"] == "failed").sum()),
        "missing": int((trials["state"] == "missing").sum()),
        "seconds": mean(_finished(trials, "seconds")),
    }


def thirds(frame: pd.DataFrame) -> pd.DataFrame:
    """Means in percent by method, regularity and third of discovery: where on the map a method works.

    Columns are pairs of a third (`low`: rates up to 1/3, `middle`: up to 2/3, `high`) and a metric (`healed_train`,
    `utility`, `aggregate`). Failed trials count as in the ranking.
    """
    third = np.select([frame["discovery_rate"] <= 1 / 3, frame["discovery_rate"] <= 2 / 3], ["low", "middle"], "high")
    metrics = ["healed_train", "utility", "aggregate"]
    values = frame.assign(third=third, **{metric: scored(frame, metric) for metric in metrics})
    means = 100 * values.groupby(["method", "regularity", "third"])[metrics].mean()
    table = means.reset_index().pivot(index=["method", "regularity"], columns="third", values=metrics)
    columns = pd.MultiIndex.from_product([("low", "middle", "high"), metrics])
    return table.swaplevel(axis=1).reindex(columns=columns)


def _finished(frame: pd.DataFrame, metric: str) -> Values:
    return frame.loc[frame["state"] == "finished", metric].dropna().to_numpy()


def trials_of(frame: pd.DataFrame, method: str) -> pd.DataFrame:
    """The rows of a method.

    Raises:
        UsageError: the frame has no such method.
    """
    known = sorted(frame["method"].unique())
    if method not in known:
        raise UsageError(f"no trials of method '{method}'; there are trials of: {', '.join(known)}")
    return frame[frame["method"] == method]


def map_of(frame: pd.DataFrame, metric: str, method: str) -> pd.DataFrame:
    """Seed means in percent: regularity (high on top) x discovery rate; nan where nothing was measured.

    All methods of a frame get the same rows and columns. In the aggregate a failed trial is 0, as in the ranking.
    """
    own = trials_of(frame, method)
    cells = own.assign(value=scored(own, metric)).groupby(["regularity", "discovery_rate"])["value"].mean()
    return 100 * _spread(cells, frame)


def states_of(frame: pd.DataFrame, method: str) -> pd.DataFrame:
    """The `State` of every cell of `map_of`; a cell with failed and missing trials is `partly failed`."""
    own = trials_of(frame, method)
    cells = own.groupby(["regularity", "discovery_rate"])["state"].agg(_state)
    spread = _spread(cells, frame).astype(object)
    return spread.where(spread.notna(), "missing")


def _state(states: pd.Series[str]) -> State:
    failed, missing = (states == "failed").any(), (states == "missing").any()
    if failed:
        return "failed" if (states != "finished").all() else "partly failed"
    if missing:
        return "missing" if (states == "missing").all() else "partly missing"
    return "finished"


def _spread(cells: pd.Series[Any], frame: pd.DataFrame) -> pd.DataFrame:
    rows = [regularity for regularity in reversed(REGULARITIES) if (frame["regularity"] == regularity).any()]
    columns = sorted(frame["discovery_rate"].unique())
    return cells.unstack().reindex(index=rows, columns=columns)


def original_column(frame: pd.DataFrame, metric: str, method: str) -> pd.Series[float]:
    """The metric of the original models that a method started from, in percent: seed means by regularity."""
    own = trials_of(frame, method).drop_duplicates(["regularity", "original"])
    return 100 * own.groupby("regularity")[f"original_{metric}"].mean()


def has_low_utility(frame: pd.DataFrame, low_utility: LowUtility, threshold: float) -> pd.Series[bool]:
    """Which trials lost too much utility for their healing to mean anything."""
    unit = frame["original_utility"] if low_utility == "relative" else 1.0
    return frame["utility"] < threshold * unit


def healing_correlation(
    frame: pd.DataFrame,
    *,
    low_utility: LowUtility = "relative",
    threshold: float = LOW_UTILITY_THRESHOLD,
    by: Sequence[Literal["regularity", "method"]] = ("regularity", "method"),
    seed: int = 0,
) -> pd.DataFrame:
    """Correlation of healed on train and on test over finished trials: overall, per regularity, per method.

    Low-utility trials are left out and counted in `left_out`; `low_utility` and `threshold` say which they are.
    """
    finished = frame[frame["state"] == "finished"]
    groups: list[tuple[str, str, pd.DataFrame]] = [("overall", "all", finished)]
    if "regularity" in by:
        names = (name for name in reversed(REGULARITIES) if (finished["regularity"] == name).any())
        groups += [("regularity", name, finished[finished["regularity"] == name]) for name in names]
    if "method" in by:
        groups += [("method", str(name), group) for name, group in finished.groupby("method")]
    rows = []
    for kind, name, group in groups:
        low = has_low_utility(group, low_utility, threshold)
        x, y = (group.loc[~low, column].to_numpy() for column in ("healed_train", "healed_test"))
        row: dict[str, object] = {"by": kind, "name": name, "trials": len(x), "left_out": int(low.sum())}
        for label, correlation in (("pearson", pearson), ("spearman", spearman)):
            estimate = correlation(x, y, np.random.default_rng(seed))
            row |= {label: estimate.value, f"{label}_low": estimate.low, f"{label}_high": estimate.high}
        rows.append(row)
    return pd.DataFrame(rows)
