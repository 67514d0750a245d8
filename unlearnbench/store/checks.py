"""Check the rows of another store or of a board file before they are added.

Each value is checked by itself (`row_types`), then against its row, then against the rows that it refers to. What can
be derived from the rest is derived again: keys, products, the columns of a specification. The metrics, which need the
data set, are recomputed by `verify.recompute`. Nothing proves that the predictions are those of the method, the metrics
of an original, times, or the key of a submission, whose code is not stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Table

from unlearnbench.contract.recipe import Recipe
from unlearnbench.errors import UsageError
from unlearnbench.evaluation.metrics import MEMORISED
from unlearnbench.evaluation.predictions import unpack
from unlearnbench.problems.grid import CaseSpec, ProblemSpec, case_of
from unlearnbench.problems.identity import original_key, problem_key, trial_key
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.specification import validated
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import Model, OriginalSpec, Suite, seed_of
from unlearnbench.problems.suite_file import stored
from unlearnbench.store.row_types import METRICS, described, row_type
from unlearnbench.store.schema import TABLES
from unlearnbench.store.store import Values, key_of

ROUNDING = 1e-12
ALWAYS = ("healed_train", "healed_test", "utility", "utility_train", "aggregate", "weights_hash")
"""What every finished trial has."""


class Checks:
    """Checks the rows of one source, in the order of `TABLES`."""

    def __init__(self, source: str):
        self._source = source
        self._seen: dict[str, dict[str, Values]] = {table.name: {} for table in TABLES}
        """By table and key; of trials only the state, the problem and the run."""
        self._suites: dict[str, Suite] = {}
        self._seeds: dict[str, frozenset[Seeds]] = {}
        self._specs: dict[str, ProblemSpec] = {}
        self._of_methods: dict[tuple[str, str, str], str] = {}
        self._lengths: dict[str, tuple[int, int]] = {}

    def row(self, table: Table, values: Values) -> Values:
        """The row, with exactly the types of its columns.

        Raises:
            UsageError: it cannot be a row of a run. The message names the source, table, key and field.
        """
        key = "/".join(str(values.get(column.name))[:64] for column in table.primary_key)
        try:
            row = row_type(table).model_validate(dict(values)).model_dump()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field, says = described(first)
            raise self._refused(table.name, key, field, f"{says} (got {_short(first['input'])})") from error
        name = "/".join(key_of(table, row))
        if name in self._seen[table.name]:
            raise self._refused(table.name, key, "key", "two rows have it")
        check: Callable[[Values], Mapping[str, str]] = getattr(self, f"_{table.name}")
        for field, says in check(row).items():
            raise self._refused(table.name, key, field, says)
        kept = {"trials": ("state", "problem_key", "run_id"), "planned_trials": (), "predictions": ()}.get(table.name)
        self._seen[table.name][name] = row if kept is None else {column: row[column] for column in kept}
        return row

    def end(self) -> None:
        """Check what is known after the last row.

        Raises:
            UsageError: a finished trial has no predictions.
        """
        for key, row in self._seen["trials"].items():
            if row["state"] == "finished" and key not in self._seen["predictions"]:
                raise self._refused("trials", key, "state", "a finished trial needs predictions, and has none")

    def _refused(self, table: str, key: str, field: str, says: str) -> UsageError:
        return UsageError(f"{self._source}: table '{table}', row {key[:12]!a}, field '{field}': {says}")

    def _runs(self, row: Values) -> Mapping[str, str]:
        try:
            suite = stored(row["suite_specification"])
        except UsageError as error:
            return {"suite_specification": str(error)}
        self._suites[row["id"]], self._seeds[row["id"]] = suite, frozenset(map(seed_of, suite.seeds))
        return _untrue(
            suite=row["suite"] == suite.name,
            finished_at=row["finished_at"] is None or row["finished_at"] >= row["started_at"],
            versions=all(isinstance(value, str | int | float | None) for value in row["versions"].values()),
            hardware=all(isinstance(value, str | int | float | None) for value in row["hardware"].values()),
        )

    def _problems(self, row: Values) -> Mapping[str, str]:
        try:
            spec = validated(ProblemSpec, row["specification"], "the problem")
            regularity = spec.case.rules.regularity
        except UsageError as error:
            return {"specification": str(error)}
        self._specs[row["key"]], of = spec, spec.case
        return _untrue(
            specification=_same(spec, row["specification"]) and 0 < of.size < 2**31 and 0 < of.trigger_size < 2**31,
            dataset=row["dataset"] == of.dataset,
            corruption=row["corruption"] == of.corruption,
            regularity=row["regularity"] == regularity,
            discovery_rate=row["discovery_rate"] == spec.discovery_rate,
            corruption_seed=row["corruption_seed"] == of.seed,
            corrupted=row["corrupted"] > 0,
            discovered=(row["discovered"] > 0) == (spec.discovery_rate > 0) and row["discovered"] <= row["corrupted"],
        )

    def _originals(self, row: Values) -> Mapping[str, str]:
        parts = row["specification"]
        if set(parts) != {"case", "model", "recipe"} or not all(isinstance(part, dict) for part in parts.values()):
            return {"specification": "must be the tables case, model and recipe"}
        try:
            case = validated(CaseSpec, parts["case"], "the case of the original")
            triggered = case.rules.triggered
        except UsageError as error:
            return {"specification": str(error)}
        learnt = row["memorised"] >= MEMORISED and (not triggered or row["healed_test"] <= 0.5)
        return _untrue(
            specification=_same(case, parts["case"]),
            capacity=row["capacity"] > 0 and row["capacity"] == parts["model"].get("capacity"),
            training=(row["training"] == "tied-dropout") == (parts["recipe"].get("tied_dropout") is not None),
            absorbed=row["absorbed"] == learnt or row["training"] == "tied-dropout",  # measured in another way then
        )

    def _submissions(self, _row: Values) -> Mapping[str, str]:
        return {}

    def _planned_trials(self, row: Values) -> Mapping[str, str]:
        if lost := self._missing(row, run_id="runs", problem_key="problems", submission_key="submissions"):
            return lost
        run, submission = self._seen["runs"][row["run_id"]], self._seen["submissions"][row["submission_key"]]
        original = self._seen["originals"].get(row["original_key"])
        method = (row["run_id"], submission["name"], submission["variant"])
        first = self._of_methods.setdefault(method, row["submission_key"])
        columns = ("capacity", "training", "training_seed")
        return {
            **self._off_grid(row),
            **_untrue(
                submission_key=first == row["submission_key"],
                original_key=original is None or all(original[name] == row[name] for name in columns),
                trial_key=self._is_key(row["trial_key"], row, run["protocol_version"], run["isolation"]),
            ),
        }

    def _trials(self, row: Values) -> Mapping[str, str]:
        parents = {"run_id": "runs", "problem_key": "problems", "original_key": "originals"}
        if lost := self._missing(row, **parents, submission_key="submissions"):
            return lost
        run, original = self._seen["runs"][row["run_id"]], self._seen["originals"][row["original_key"]]
        finished, suite = row["state"] == "finished", self._suites[row["run_id"]]
        measured = [name for name in (*METRICS, "weights_hash", "evaluation_seconds") if row[name] is not None]
        if finished and (absent := [name for name in ALWAYS if row[name] is None]):
            return {absent[0]: "a finished trial needs it"}
        if not finished and measured:
            return {measured[0]: "a failed trial must not have it"}
        product = row["healed_train"] * row["utility"] if finished else 0.0
        return {
            **self._off_grid(row),
            **_untrue(
                reason=(row["reason"] is None) == finished,
                aggregate=not finished or abs(row["aggregate"] - product) <= ROUNDING,
                isolation=row["isolation"] == run["isolation"],
                precision=row["precision"] == run["precision"] == original["precision"],
                protocol_version=row["protocol_version"] == run["protocol_version"],
                threads=row["threads"] == suite.threads,
                created_at=run["started_at"] <= row["created_at"] <= (run["finished_at"] or row["created_at"]),
                training_seed=row["training_seed"] == original["training_seed"],
                original_key=self._is_original(row, original),
                key=self._is_key(row["key"], row, row["protocol_version"], row["isolation"]),
            ),
        }

    def _predictions(self, row: Values) -> Mapping[str, str]:
        trial = self._seen["trials"].get(row["trial_key"])
        if trial is None or trial["state"] != "finished":
            return {"trial_key": "must be that of a finished trial in the same source"}
        sizes = {}
        for name in ("train", "test", "triggered_test"):
            try:
                sizes[name] = None if row[name] is None else len(unpack(row[name]))
            except ValueError as error:
                return {name: f"must be packed predictions: {error}"}
        case = self._specs[trial["problem_key"]].case
        lengths = (sizes["train"] or 0, sizes["test"] or 0)
        usual = self._lengths.setdefault(case.data_fingerprint, lengths)
        return _untrue(
            train=lengths[0] == usual[0],
            test=lengths[1] == usual[1],
            triggered_test=sizes["triggered_test"] == (lengths[1] if case.rules.triggered else None),
        )

    def _missing(self, row: Values, **parents: str) -> Mapping[str, str]:
        return {
            column: f"refers to a missing row of '{parent}'"
            for column, parent in parents.items()
            if row[column] not in self._seen[parent]
        }

    def _off_grid(self, row: Values) -> Mapping[str, str]:
        """What of a trial is not in the suite of its run."""
        suite, run = self._suites[row["run_id"]], self._seen["runs"][row["run_id"]]
        problem, size = self._specs[row["problem_key"]], suite.corruption.size
        case = problem.case
        seeds = Seeds(case.seed, row["training_seed"], row["unlearning_seed"])
        if (
            case.corruption not in suite.corruptions
            or case != case_of(suite, case.corruption, run["data_fingerprint"], case.size, case.seed)
            or problem.discovery_rate not in (0.0, *suite.discovery_rates)
            or problem.false_discovery != (suite.false_discovery if problem.discovery_rate else 0.0)
            or (isinstance(size, int) and case.rules.planted and case.size != size)
        ):
            return {"problem_key": "must be that of a problem of the run's suite"}
        if seeds not in self._seeds[row["run_id"]]:
            return {"unlearning_seed": "the seeds must be some of the run's suite"}
        return {}

    def _is_original(self, row: Values, original: Values) -> bool:
        """Whether a trial's original is the one of its problem, suite and machine."""
        suite, case = self._suites[row["run_id"]], self._specs[row["problem_key"]].case
        parts, kind = original["specification"], OriginalSpec(original["capacity"], original["training"])
        if row["protocol_version"] != PROTOCOL_VERSION:  # made of other defaults
            return _same(case, parts["case"])
        return (
            _same(case, parts["case"])
            and _as_stored(suite.model, {k: v for k, v in parts["model"].items() if k in asdict(suite.model)})
            and _as_stored(suite.recipe_of(kind), parts["recipe"])
            and row["original_key"]
            == original_key(suite, case, kind, row["training_seed"], row["precision"], row["device"])
        )

    def _is_key(self, key: str, row: Values, protocol: int, isolation: str) -> bool:
        """Whether the key of a trial, and that of its problem, are those of their content."""
        if protocol != PROTOCOL_VERSION:  # made of other defaults
            return True
        parents = (row["problem_key"], row["original_key"], row["submission_key"])
        suite, problem = self._suites[row["run_id"]], self._specs[row["problem_key"]]
        return problem_key(problem) == row["problem_key"] and key == trial_key(
            suite, *parents, row["unlearning_seed"], isolation
        )


def _short(value: Any) -> str:
    """A value for a message; what is nested may be nested too deeply to be shown."""
    if isinstance(value, dict | list):
        return type(value).__name__
    return str(value) if isinstance(value, datetime) else f"{value!a:.60}"


def _untrue(**holds: bool) -> dict[str, str]:
    """The fields of which something does not hold."""
    says = "does not agree with the rest of the row, or with the rows that it refers to"
    return {field: says for field in holds if not holds[field]}


def _same(specification: CaseSpec | ProblemSpec, content: Any) -> bool:
    """Whether a specification, as it is stored, is this content."""
    return bool(json.loads(json.dumps(specification.stored())) == content)


def _as_stored(settings: Model | Recipe, content: Any) -> bool:
    """Whether stored settings are these. What an earlier version did not store was at its default."""
    defaults = {item.name: item.default for item in fields(settings)}
    return isinstance(content, dict) and asdict(settings) == defaults | content
