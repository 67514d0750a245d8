"""Find regressions against a baseline: pure functions of two frames as `verify.baseline.compared` gives them.

Five rules are applied to every method; a rule that cannot be applied says why.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from unlearnbench.evaluation.statistics import FEWEST_SEEDS, Difference, difference
from unlearnbench.report.numbers.board import SEEDS
from unlearnbench.report.numbers.totals import RETRAIN, scored
from unlearnbench.report.wording import in_order
from unlearnbench.verify.baseline import CODE, MACHINE, METRICS, PROBLEM

Rule = Literal["present", "finishes", "score", "same numbers", "cost"]
Status = Literal["fine", "regression", "not checked", "new"]

NEGLIGIBLE_COST = 0.02
"""Smaller shares of retraining count as this one: they are milliseconds, and doubling them does not matter."""

LARGEST_DROP, LARGEST_DROP_OF_CORRUPTION = 2.0, 5.0
"""Points that a method's score may lose, overall and on one corruption, where there is no interval. Applied only if
both sides start from the same originals, so noise is small."""

ALL = "all"
NOT_COMPARABLE = "not comparable here"


@dataclass(frozen=True)
class Finding:
    """The result of one rule for one method."""

    method: str
    rule: Rule
    status: Status
    message: str


@dataclass(frozen=True)
class Change:
    """A method's utility x healed in percent on the problems that both sides have, for one corruption or all.

    same_originals: whether every trial started from the same weights on both sides.
    """

    method: str
    corruption: str
    seeds: int
    before: float
    after: float
    difference: Difference
    same_originals: bool


@dataclass(frozen=True)
class Check:
    """Findings by method and the numbers behind them. `pairs` has one row per trial that both sides have."""

    suite: str
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    pairs: pd.DataFrame
    baseline: pd.DataFrame
    current: pd.DataFrame

    def having(self, status: Status) -> list[Finding]:
        return [finding for finding in self.findings if finding.status == status]


def compare(baseline: pd.DataFrame, current: pd.DataFrame, *, cost_factor: float) -> Check:
    """Apply every rule to every method of the baseline; methods only in `current` are reported as new.

    At least one frame must have a row.
    """
    identity = ["method", *PROBLEM]
    once = {name for frame in (baseline, current) for name in frame.loc[frame["once"], "method"]}
    before_all, after_all = (_without_rate(frame, once) for frame in (baseline, current))
    pairs = before_all.merge(after_all, on=identity, suffixes=("_before", "_after"))
    findings: list[Finding] = []
    changes: list[Change] = []
    for method, before in before_all.groupby("method"):
        name = str(method)
        both = pairs[pairs["method"] == name]
        moved = [_change(both, name, part) for part in (ALL, *in_order(both["corruption"]))] if len(both) else []
        changes += moved
        findings.append(_present(name, before, both))
        if moved:
            findings += [_finishes(name, both), _score(name, moved), _same_numbers(name, both)]
            findings.append(_cost(name, both, cost_factor))
    for name in sorted(set(current["method"]) - set(baseline["method"])):
        findings.append(Finding(name, "present", "new", "not in the baseline, so shown but not checked"))
    suite = str(pd.concat([baseline["suite"], current["suite"]]).iloc[0])
    return Check(suite, tuple(findings), tuple(changes), pairs, baseline, current)


def _without_rate(frame: pd.DataFrame, methods: set[str]) -> pd.DataFrame:
    """The trials of these methods at rate 0: theirs stand at whatever rate was read first."""
    return frame.assign(discovery_rate=frame["discovery_rate"].where(~frame["method"].isin(methods), 0.0))


def _change(pairs: pd.DataFrame, method: str, corruption: str) -> Change:
    own = pairs if corruption == ALL else pairs[pairs["corruption"] == corruption]
    same = own["original_weights_hash_before"] == own["original_weights_hash_after"]
    values = own.assign(same=same, **{side: 100 * _aggregate(own, side) for side in ("before", "after")})
    seeds = values.groupby(list(SEEDS)).agg(before=("before", "mean"), after=("after", "mean"), same=("same", "all"))
    before, after = (seeds[side].to_numpy(dtype=np.float64) for side in ("before", "after"))
    found = difference(after, before, seeds["same"].to_numpy(dtype=np.bool_))
    return Change(method, corruption, len(seeds), before.mean(), after.mean(), found, bool(same.all()))


def _aggregate(pairs: pd.DataFrame, side: str) -> Any:
    """The aggregate of each pair on one side; 0 for a failed trial, as in the ranking."""
    frame = pd.DataFrame({column: pairs[f"{column}_{side}"] for column in ("state", "aggregate")})
    return scored(frame, "aggregate").to_numpy()


def _present(method: str, before: pd.DataFrame, pairs: pd.DataFrame) -> Finding:
    lost = before.merge(pairs[["method", *PROBLEM]], on=["method", *PROBLEM], how="left", indicator=True)
    lost = lost[lost["_merge"] == "left_only"]
    if len(lost) == len(before):
        return Finding(
            method, "present", "regression", f"the method is gone: all of its {len(before)} trials are missing"
        )
    if len(lost):
        message = f"{len(lost)} of {len(before)} trials are missing: {_cells(lost)}"
        return Finding(method, "present", "regression", message)
    return Finding(method, "present", "fine", f"all {len(before)} trials are present")


def _finishes(method: str, pairs: pd.DataFrame) -> Finding:
    newly = pairs[(pairs["state_before"] == "finished") & (pairs["state_after"] == "failed")]
    if len(newly) == 0:
        failed = int((pairs["state_after"] == "failed").sum())
        message = f"no new failures ({failed} of {len(pairs)} trials fail)"
        return Finding(method, "finishes", "fine", message)
    reasons = [
        f"{str(reason) or 'no reason recorded'} ({_cells(group)})" for reason, group in newly.groupby("reason_after")
    ]
    message = f"{len(newly)} of {len(pairs)} trials newly fail: {'; '.join(reasons)}"
    return Finding(method, "finishes", "regression", message)


def _score(method: str, changes: list[Change]) -> Finding:
    """Judge by the interval over seeds if there is one, else by fixed margins if the originals are the same."""
    whole, *parts = changes
    message = "; ".join([described(whole), *(f"{part.corruption} {part.difference.value:+.1f}" for part in parts)])
    if whole.difference.kind != "untested":
        if whole.difference.high < 0:
            return Finding(method, "score", "regression", f"dropped: {message}")
        fell = "fell, but the interval includes no change: " if whole.difference.value < 0 else ""
        return Finding(method, "score", "fine", fell + message)
    if not whole.same_originals:
        few = f"fewer than {FEWEST_SEEDS} seeds have no interval"
        why = few if whole.seeds < FEWEST_SEEDS else "differences that do not vary over seeds have no interval"
        message += f"; {NOT_COMPARABLE}: its trials start from other original models than the baseline's, and {why}"
        return Finding(method, "score", "not checked", message)
    fallen = [f"over {LARGEST_DROP:g} points overall"] if whole.difference.value < -LARGEST_DROP else []
    fallen += [
        f"over {LARGEST_DROP_OF_CORRUPTION:g} points on {part.corruption}"
        for part in parts
        if part.difference.value < -LARGEST_DROP_OF_CORRUPTION
    ]
    if fallen:
        return Finding(method, "score", "regression", f"dropped {' and '.join(fallen)}: {message}")
    return Finding(method, "score", "fine", message)


def described(change: Change) -> str:
    """The means, their difference with its interval, and the number of seeds, as text."""
    found = change.difference
    interval = "" if found.kind == "untested" else f" [{found.low:+.1f}, {found.high:+.1f}]"
    seeds = "1 seed" if change.seeds == 1 else f"{change.seeds} seeds"
    return f"{change.before:.1f} -> {change.after:.1f}, {found.value:+.1f}{interval} over {seeds}"


def _same_numbers(method: str, pairs: pd.DataFrame) -> Finding:
    """Unchanged code on the same problem, machine and versions must give the same weights and metrics."""
    finished = pairs[(pairs["state_before"] == "finished") & (pairs["state_after"] == "finished")]
    reasons = pd.Series([_excuse(row) for row in finished.to_dict("records")], index=finished.index, dtype=object)
    expected = finished[reasons.isna()]
    excused = "; ".join(f"{reason} ({count})" for reason, count in Counter(reasons.dropna()).items())
    if len(expected) == 0:
        return Finding(method, "same numbers", "not checked", excused or "no trial finished in both")
    weights, original = (_differs(expected, f"{of}weights_hash") for of in ("", "original_"))
    numbers = pd.concat([_differs(expected, metric) for metric in METRICS], axis=1).any(axis=1)
    moved = expected[weights | numbers]
    checked = f"{len(expected)} of {len(pairs)} trials checked" + (f"; not checked: {excused}" if excused else "")
    if len(moved) == 0:
        return Finding(method, "same numbers", "fine", f"weights and metrics are equal ({checked})")
    if original[moved.index].all():
        where = "their originals already differ: data, corruption, training or its random stream changed"
    elif not weights.any():
        where = "the weights are equal: the evaluation changed"
    else:
        where = "their originals are equal: the input of methods or their random stream changed"
    if original.any() and not original[moved.index].all():
        where += f" (for {int(original.sum())}, the original differs)"
    message = (
        f"the method's code is unchanged, but {len(moved)} of {len(expected)} trials give different numbers;"
        f" {where}; {_cells(moved)} ({checked}); if this is intended, raise PROTOCOL_VERSION"
        " and write a new baseline"
    )
    return Finding(method, "same numbers", "regression", message)


def _excuse(row: dict[Any, Any]) -> str | None:
    """Why a pair of trials may give different numbers; None if it may not."""
    for column, what in zip(CODE, ("source", "hyperparameters"), strict=True):
        if row[f"{column}_before"] != row[f"{column}_after"]:
            return f"the method's {what} changed"
    for column in MACHINE:
        before, after = row[f"{column}_before"], row[f"{column}_after"]
        if before != after:
            return f"{column} {after or 'unknown'} instead of {before or 'unknown'}"
    if row["device_after"] != "cpu":
        return "a GPU may sum in a different order each time"
    return None


def _differs(pairs: pd.DataFrame, column: str) -> pd.Series[bool]:
    before, after = pairs[f"{column}_before"], pairs[f"{column}_after"]
    return (before != after) & ~(before.isna() & after.isna())


def _cost(method: str, pairs: pd.DataFrame, factor: float) -> Finding:
    if (pairs["submission_after"] == RETRAIN).all():
        return Finding(method, "cost", "not checked", "it is the unit of cost")
    known = pairs.dropna(subset=["cost_before", "cost_after"])
    if len(known) == 0:
        message = f"needs trials of `{RETRAIN}`, the unit of cost, on both sides"
        return Finding(method, "cost", "not checked", message)
    before, after = (known[f"cost_{side}"].median() for side in ("before", "after"))
    growth = cost_growth(known)
    message = f"{growth:.2f} times what it was, median over {len(known)} problems"
    message += f" ({before:.1%} of retraining, now {after:.1%})"
    if growth > factor:
        return Finding(method, "cost", "regression", f"grew over {factor:g} times: {message}")
    return Finding(method, "cost", "fine", message)


def cost_growth(pairs: pd.DataFrame) -> float:
    """The median ratio of new to old cost over pairs of trials."""
    before, after = (pairs[f"cost_{side}"].clip(lower=NEGLIGIBLE_COST) for side in ("before", "after"))
    return float((after / before).median())


def _cells(rows: pd.DataFrame, most: int = 6) -> str:
    """List the cells of these trials."""
    names = [
        row["corruption"]
        + (f" at {100 * row['discovery_rate']:g}%" if row["discovery_rate"] else "")
        + f", seed {row['corruption_seed']}"
        for row in rows.to_dict("records")
    ]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
