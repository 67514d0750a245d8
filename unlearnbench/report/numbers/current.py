"""Which records of a suite are current and which are stale.

A record is current if its run had today's conditions (`problems.identity.conditions`, protocol version, data) and its
method's source and hyperparameters are those planned last. Today's conditions are those of the suite's file if there
is one, else those of the newest run. Runs that were made on this store come before all that were added to it, and these
in the order in which their origins were added: the date in somebody else's file decides nothing (`runs_of_suite`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from unlearnbench.boundary.isolation import Isolation, at_least
from unlearnbench.errors import UsageError
from unlearnbench.problems.identity import conditions
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.secret_seeds import called
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import find_if_any, parse, stored
from unlearnbench.store.labels import method_label
from unlearnbench.store.origins import HERE, added
from unlearnbench.store.results import PlannedSubmission, count_recorded, planned_submissions, runs_of_suite
from unlearnbench.store.schema import RunRow
from unlearnbench.store.trials import Wanted

EARLIER = "an earlier state of its code or hyperparameters"
FROM_ELSEWHERE = "from elsewhere, and another state or variant of it was there before"


@dataclass(frozen=True)
class Stale:
    """Records of one method that are not on the board, why, and the command that renews them."""

    method: str
    records: int
    reason: str
    command: str

    @property
    def words(self) -> str:
        """The number of records in words."""
        return "1 record" if self.records == 1 else f"{self.records} records"


@dataclass(frozen=True)
class Current:
    """What is current in a suite.

    submissions: (submission, variant) by the key of its current state.
    levels: levels of isolation of the current runs.
    """

    suite: Suite
    wanted: Wanted
    submissions: Mapping[str, tuple[str, str]]
    levels: frozenset[str]
    stale: tuple[Stale, ...]


def current(engine: Engine, name: str, suites: Sequence[Path], isolation: Isolation) -> Current:
    """Find what is current in a suite.

    Args:
        suites: folders in which the suite's file may be.
        isolation: records with weaker isolation do not count.

    Raises:
        UsageError: the store has no run of the suite, or no current one.
    """
    runs = runs_of_suite(engine, name)
    file = find_if_any(name, *suites)
    suite, protocol = stored(runs[0].suite_specification), runs[0].protocol_version
    if file is not None:
        suite, protocol = parse(file), PROTOCOL_VERSION
    reasons = dict(_stale_runs(runs, suite, protocol))
    counting = [run for run in runs if run.id not in reasons]
    planned = planned_submissions(engine, runs)
    submissions = _submissions(planned, counting, at_least(isolation), suite.variants, added(engine))
    stale = tuple(_stale_records(engine, suite, planned, reasons, submissions))
    if not submissions:
        listed = "; ".join(f"{item.method}: {item.reason} ({item.words})" for item in stale)
        command = shlex.join(["unlearnbench", "run", *called(suite)])
        raise UsageError(f"no record of suite '{name}' is current: {listed}; run it again: `{command}`")
    wanted = Wanted(tuple(run.id for run in counting), tuple(submissions), tuple(at_least(isolation)))
    return Current(suite, wanted, submissions, frozenset(run.isolation for run in counting), stale)


def _stale_runs(runs: Sequence[RunRow], suite: Suite, protocol: int) -> Iterator[tuple[str, str]]:
    """The stale runs, each with the reason."""
    fingerprint: str | None = None
    for run in runs:
        try:
            of_run = stored(run.suite_specification)
        except UsageError:
            yield run.id, "a suite that this version cannot read"
            continue
        both = set(suite.corruptions) & set(of_run.corruptions)
        wanted, then = conditions(suite, both), conditions(of_run, both)
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


def _submissions(
    planned: Sequence[PlannedSubmission],
    runs: Sequence[RunRow],
    levels: Sequence[str],
    variants: Sequence[str],
    arrived: Mapping[int, datetime],
) -> dict[str, tuple[str, str]]:
    """The submission key of each method that was planned here last, else by the origin that was added first; runs at
    one of these levels take precedence.

    A variant from elsewhere that would be ranked instead of one that was run here does not count, unless it was there
    before.
    """
    place = {run.id: (run.isolation not in levels, number) for number, run in enumerate(runs)}
    started = {run.id: run.started_at for run in runs}
    newest: dict[tuple[str, str], tuple[bool, int, int, str]] = {}
    for item in planned:
        if item.run in place:
            weak, number = place[item.run]
            method, found = (item.submission, item.variant), (weak, item.arrival, number, item.key)
            newest[method] = min(newest.get(method, found), found)
    here: dict[str, tuple[int, str]] = {}
    for (name, variant), (_, arrival, _, _) in newest.items():
        if arrival == HERE:
            here[name] = min(here.get(name, preference(variant, variants)), preference(variant, variants))
    since: dict[str, datetime] = {}
    for item in planned:
        if item.run in place and item.arrival == HERE:
            since[item.submission] = min(since.get(item.submission, started[item.run]), started[item.run])
    return {
        key: (name, variant)
        for (name, variant), (_, arrival, _, key) in newest.items()
        if arrival == HERE
        or name not in here
        or preference(variant, variants) > here[name]
        or arrived[arrival] <= since[name]
    }


def preference(variant: str, variants: Sequence[str]) -> tuple[int, str]:
    """Of the variants of a method, the one with the lowest value is ranked: the first in `variants`, else `default`."""
    names = [*variants, "default"]
    return names.index(variant) if variant in names else len(names), variant


def _stale_records(
    engine: Engine,
    suite: Suite,
    planned: Sequence[PlannedSubmission],
    reasons: Mapping[str, str],
    submissions: Mapping[str, Any],
) -> Iterator[Stale]:
    """The stale records by method and reason."""
    groups: dict[tuple[str, str], list[PlannedSubmission]] = {}
    for item in planned:
        if item.run in reasons or item.key not in submissions:
            reason = reasons.get(item.run, EARLIER if item.arrival == HERE else FROM_ELSEWHERE)
            groups.setdefault((method_label(item.submission, item.variant), reason), []).append(item)
    for (method, reason), items in sorted(groups.items()):
        # A trial's key covers its submission, so no other run makes records of an old submission current.
        beside = {item.run for item in planned if item.run not in reasons} if items[0].key in submissions else set()
        if count := count_recorded(engine, items, beside):
            # Quoted, because somebody may paste it in a shell.
            command = shlex.join(["unlearnbench", "run", *called(suite), "--method", method])
            yield Stale(method, count, reason, command)
