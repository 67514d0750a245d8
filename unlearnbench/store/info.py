"""A summary of what a store holds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, distinct, func, select

from unlearnbench.store.labels import method_label
from unlearnbench.store.schema import SCHEMA_VERSION, TABLES, PlannedTrialRow, RunRow, SubmissionRow, TrialRow


@dataclass(frozen=True)
class SuiteInfo:
    """Counts of one suite. Trials are those that any of its runs planned, each counted once."""

    name: str
    runs: int
    methods: int
    finished: int
    failed: int
    missing: int
    last_run: datetime


@dataclass(frozen=True)
class Info:
    schema_version: int
    size: int
    """Bytes on disk."""
    runs: int
    trials: int
    suites: tuple[SuiteInfo, ...]
    methods: tuple[str, ...]
    versions: tuple[str, ...]
    """Each combination of versions with its number of runs; `hardware` likewise."""
    hardware: tuple[str, ...]


def info(engine: Engine) -> Info:
    with engine.connect() as connection:
        names = connection.execute(select(SubmissionRow.name, SubmissionRow.variant).distinct()).all()
        runs = connection.execute(select(RunRow.versions, RunRow.hardware)).all()
        return Info(
            schema_version=SCHEMA_VERSION,
            size=_size(connection),
            runs=len(runs),
            trials=connection.scalar(select(func.count()).select_from(TrialRow)) or 0,
            suites=tuple(_suites(connection)),
            methods=tuple(sorted(method_label(*name) for name in names)),
            versions=_counted([versions for versions, _ in runs]),
            hardware=_counted([hardware for _, hardware in runs]),
        )


def _suites(connection: Connection) -> list[SuiteInfo]:
    state = func.coalesce(TrialRow.state, "missing")
    trials = (
        select(RunRow.suite, state, func.count(distinct(PlannedTrialRow.trial_key)))
        .select_from(PlannedTrialRow)
        .join(RunRow, RunRow.id == PlannedTrialRow.run_id)
        .outerjoin(TrialRow, TrialRow.key == PlannedTrialRow.trial_key)
        .group_by(RunRow.suite, state)
    )
    counts = {(suite, state): count for suite, state, count in connection.execute(trials)}
    methods = (
        select(RunRow.suite, SubmissionRow.name, SubmissionRow.variant)
        .select_from(PlannedTrialRow)
        .join(RunRow, RunRow.id == PlannedTrialRow.run_id)
        .join(SubmissionRow, SubmissionRow.key == PlannedTrialRow.submission_key)
        .distinct()
    )
    of_suite = Counter(row.suite for row in connection.execute(methods))
    runs = select(RunRow.suite, func.count(), func.max(RunRow.started_at)).group_by(RunRow.suite)
    return [
        SuiteInfo(
            name=suite,
            runs=count,
            methods=of_suite[suite],
            finished=counts.get((suite, "finished"), 0),
            failed=counts.get((suite, "failed"), 0),
            missing=counts.get((suite, "missing"), 0),
            last_run=last_run,
        )
        for suite, count, last_run in connection.execute(runs.order_by(RunRow.suite))
    ]


def _size(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        file = connection.engine.url.database or ""
        return sum(path.stat().st_size for path in map(Path, (file, f"{file}-wal")) if path.is_file())
    sizes = (func.pg_total_relation_size(func.to_regclass(table.name)) for table in TABLES)
    return sum(connection.scalar(select(size)) or 0 for size in sizes)


def _counted(values: list[dict[str, object]]) -> tuple[str, ...]:
    counts = Counter(json.dumps(value, sort_keys=True) for value in values)
    return tuple(
        f"{', '.join(f'{key} {part}' for key, part in json.loads(value).items())} ({count} run{'s' * (count > 1)})"
        for value, count in counts.most_common()
    )
