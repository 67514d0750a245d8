"""The tries of a tuning for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from unlearnbench.report.text.tables import NO_VALUE, number
from unlearnbench.report.wording import PRODUCT

if TYPE_CHECKING:
    from unlearnbench.tuning.tries import Choices, Rule, Try


def tries_table(tries: Sequence[Try], rule: Rule) -> Table:
    """All tries of a tuning, best first; `score` is the rule's score, over the trials that the try was given."""
    names = list(dict.fromkeys(name for item in tries for name in item.hyperparameters))
    table = Table(*names, "score", "trials", "failed", "processor seconds", "pruned", box=SIMPLE_HEAD, pad_edge=False)
    for item in tries:
        table.add_row(
            *(str(item.hyperparameters.get(name, NO_VALUE)) for name in names),
            f"{100 * item.score(rule):.1f}",
            str(item.trials),
            str(item.failed or ""),
            number(float("nan") if item.processor_seconds is None else item.processor_seconds, 2),
            item.pruned or "",
        )
    return table


def cost_line(found: Choices) -> str:
    """One sentence on what the blind choice costs."""
    default, blind, oracle, cost = (
        float("nan") if value is None else value for value in (found.default, found.blind, found.oracle, found.cost)
    )
    return (
        f"{PRODUCT}, mean over the tuning problems: default {number(100 * default)}%, blind choice"
        f" {number(100 * blind)}%, oracle's choice {number(100 * oracle)}%;"
        f" the blind choice costs {number(cost)} points."
    )
