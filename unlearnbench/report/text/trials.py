"""Single trials for the terminal: metrics, what a trial printed, and a record beside its repetition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import indent
from typing import TYPE_CHECKING

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from unlearnbench.report.numbers.table import recorded
from unlearnbench.report.text.tables import NO_VALUE

if TYPE_CHECKING:
    from unlearnbench.evaluation.metrics import Metrics
    from unlearnbench.verify.rerun import Field


def details(frame: pd.DataFrame, method: str) -> str:
    """The end of what each recorded trial of a method printed, with the traceback if it failed, below its place."""
    parts = []
    for row in recorded(frame[frame["method"] == method]).to_dict("records"):
        place = f"{row['corruption']}, discovery rate {row['discovery_rate']:g}, seed {row['seed']}"
        end = row["reason"] if row["state"] == "failed" else row["state"]
        text = row["detail"].rstrip() if isinstance(row["detail"], str) else "nothing printed"
        parts.append(f"{place} (trial {row['trial'][:12]}): {end}\n{indent(text, '    ')}\n")
        if isinstance(row["earlier"], str):
            parts.append(f"    failed before it was run again:\n{indent(row['earlier'].rstrip(), '    ')}\n")
    return "\n".join(parts)


def failure_lines(frame: pd.DataFrame, method: str) -> list[str]:
    """How many trials of a method failed and why, one line per reason, the most frequent first."""
    trials = frame[(frame["method"] == method) & ~frame["again"]]
    reasons = trials.loc[trials["state"] == "failed", "reason"].value_counts(sort=True)
    lines = [f"{count} of {len(trials)} trials failed: {reason}" for reason, count in reasons.items()]
    retried = int(trials["earlier"].notna().sum())
    return [*lines, f"{retried} trials failed before they were run again (--detail)"] if retried else lines


def metrics_table(metrics: Metrics) -> Table:
    """The metrics of one trial in percent, one a row."""
    table = Table("metric", Column("percent", justify="right"), box=SIMPLE_HEAD, pad_edge=False)
    for name, value in (asdict(metrics) | {"aggregate": metrics.aggregate}).items():
        table.add_row(name, NO_VALUE if value is None else f"{100 * value:.1f}")
    return table


def rerun_table(comparisons: Sequence[Field]) -> Table:
    """The fields of a record, stored and rerun, side by side."""
    table = Table("field", "stored", "again", "equal", box=SIMPLE_HEAD, pad_edge=False)
    for item in comparisons:
        values = (NO_VALUE if value is None else str(value)[:40] for value in (item.stored, item.again))
        table.add_row(item.name, *values, {True: "yes", False: "no", None: ""}[item.equal])
    return table
