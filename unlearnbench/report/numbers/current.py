"""Which records of a suite are current, and which are stale: the rules of `report.numbers.board`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, distinct, func, select

from unlearnbench.errors import UsageError
from unlearnbench.problems.identity import conditions
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import stored
from unlearnbench.store.labels import method_label
from unlearnbench.store.schema import PlannedTrialRow, RunRow, SubmissionRow, TrialRow


@dataclass(frozen=True)
class Stale:
    """Records under the suite's name that are not on its board, and the command that renews them."""

    method: str
    records: int
    reason: str
    command: str

    @property
    def words(self) -> str:
        """How many records they are, in words."""
        return "1 record" if self.records == 1 else f"{self.records} records"


def stale_runs(runs: Sequence[RunRow], suite: Suite, protocol: int) -> Iterator[tuple[str, str]]:
    """Why the records of a run are stale, by run; nothing of a run whose records are current."""
    wanted = conditions(suite)
    fingerprint: str | None = None
    for run in runs:
        try:
            then = conditions(stored(run.suite_specification))
        except UsageError:
            yield run.id, "a suite that this version cannot read"
            continue
        other = [key for key in {**wanted, **then} if then.get(key) != wanted.get(key)]
        if run.protocol_version != protocol:
            yield run.id, f"protocol {run.protocol_version} instead of {protocol}"
        elif other:
            yield run.id, ", ".join(f"{key} {_shown(then, key)} instead of {_shown(wanted, key)}" for key in other)
        elif fingerprint not in (None, run.data_fingerprint):
            yield run.id, f"other data ({run.data_fingerprint[:12]} instead of {(fingerprint or '')[:12]})"
        else:
            fingerprint = run.data_fingerprint


def _shown(values: dict[str, Any], key: str) -> str:
    return json.dumps(values[key]) if key in values else "(default)"


@dataclass(frozen=True)
class Planned:
    """A run planned trials of this state of a method."""

    run: str
    submission: str
    name: str
    variant: str


def planned_submissions(engine: Engine, runs: Sequence[RunRow]) -> list[Planned]:
    pairs = (
        select(PlannedTrialRow.run_id, PlannedTrialRow.submission_key)
        .where(PlannedTrialRow.run_id.in_([run.id for run in runs]))
        .distinct()
        .subquery()
    )
    query = select(pairs.c.run_id, pairs.c.submission_key, SubmissionRow.name, SubmissionRow.variant)
    with engine.connect() as connection:
        rows = connection.execute(query.join(SubmissionRow, SubmissionRow.key == pairs.c.submission_key)).all()
    return [Planned(*row) for row in rows]


def current_submissions(planned: Sequence[Planned], current: Sequence[RunRow], levels: Sequence[str]) -> dict[str, str]:
    """The submission keys that count, each with its method: of every method the state that was planned last.

    Runs at one of these levels of isolation go before others.
    """
    age = {run.id: place for place, run in enumerate(sorted(current, key=lambda run: run.isolation not in levels))}
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    for item in planned:
        if item.run in age:
            method, found = (item.name, item.variant), (age[item.run], item.submission)
            newest[method] = min(newest.get(method, found), found)
    return {key: method_label(*method) for method, (_, key) in newest.items()}


def stale_records(
    engine: Engine, suite: str, planned: Sequence[Planned], reasons: dict[str, str], keys: dict[str, str]
) -> Iterator[Stale]:
    """What was recorded and does not count, by method and reason."""
    counting = {(item.run, item.submission) for item in planned if item.run not in reasons and item.submission in keys}
    if len(counting) == len(planned):
        return
    groups: dict[tuple[str, str], list[Planned]] = {}
    for item in planned:
        if (item.run, item.submission) not in counting:
            reason = reasons.get(item.run, "an earlier state of its code or hyperparameters")
            groups.setdefault((method_label(item.name, item.variant), reason), []).append(item)
    here = select(PlannedTrialRow.trial_key).where(
        PlannedTrialRow.run_id.in_({run for run, _ in counting}), PlannedTrialRow.submission_key.in_(keys)
    )
    with engine.connect() as connection:
        for (method, reason), items in sorted(groups.items()):
            of_group = [PlannedTrialRow.run_id.in_({item.run for item in items})]
            of_group.append(PlannedTrialRow.submission_key.in_({item.submission for item in items}))
            count = connection.scalar(
                select(func.count(distinct(PlannedTrialRow.trial_key)))
                .join(TrialRow, TrialRow.key == PlannedTrialRow.trial_key)
                .where(*of_group, PlannedTrialRow.trial_key.not_in(here))
            )
            if count:
                yield Stale(method, count, reason, f"unlearnbench run {suite} --method {method}")
