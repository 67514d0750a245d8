"""Measured regularity as Markdown: the numbers of each corruption, and how well they predict scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from unlearnbench.problems.corruption import kind_of
from unlearnbench.report.escaping import markdown_code
from unlearnbench.report.numbers.regularity import HOW, RATE, choices, prediction, steady, table
from unlearnbench.report.numbers.totals import RETRAIN
from unlearnbench.report.text.formats import markdown_table
from unlearnbench.report.text.tables import NO_VALUE, interval, number
from unlearnbench.report.wording import LONG_LABELS, PRODUCT, in_order

HEADER = ("Corruption", "Named", "Measured", "Left in", "Seeds", "Base rate")
NOTE = (
    f"Measured: the share of D_f to which `{RETRAIN}` at {RATE:.0%} discovery gives its wrong label of D_tr, from"
    " 0 (the corruption that is left in tells nothing about a sample) to 1 (all); with the wider of the 95% t"
    " interval over seeds and Wilson's over samples. It belongs to corruption, amount, data and recipe together. Base"
    " rate: the same share of D_m without any corruption left in."
)
PREDICTION_NOTE = (
    f"Spearman's rank correlation of measured regularity and {PRODUCT.lower()} (mean over seeds) over the corruptions,"
    " with its 95% interval from resampled corruptions: above 0, a method does better where corruption is regular. The"
    " unit is the corruption, so the interval says what another choice of corruptions may give."
)


CHOOSING = {
    "regularity": "measured regularity",
    "once": "one measurement",
    "nothing": "nothing",
    "gain": "gain from measuring",
    "gain_once": "gain from one measurement",
    "corruption": "the corruption itself",
}
CHOICES_NOTE = (
    f"What the choice of one method gets: {PRODUCT.lower()} in percent, mean over the corruptions, with its 95%"
    " interval over seeds. By measured regularity: the method that is best on the *other* corruption whose measured"
    " regularity is nearest, all of it means over the seeds. By one measurement: the same as a user would, with the"
    " regularity that one seed measured, and the scores and regularities of the other seeds. By nothing: the one with"
    " the best mean over the other corruptions. By the corruption itself: the best there, which nobody can know."
)


def regularity_markdown(frame: pd.DataFrame) -> str:
    """The measured regularity of each corruption, most regular first, and the note; how to get what is not measured."""
    found: dict[str, dict[Any, Any]] = {str(row["corruption"]): row for row in table(frame).to_dict("records")}
    known: dict[str, float] = {name: row["value"] for name, row in found.items() if not pd.isna(row["value"])}
    rows = [
        [
            name,
            LONG_LABELS[kind_of(name).regularity],
            _estimate(found[name], "value"),
            *(number(found[name][column], decimals) for column, decimals in (("left", 0), ("seeds", 0), ("base", 2))),
        ]
        for name in in_order(found, known)
    ]
    missing = f"\n\nNot measured ({NO_VALUE}): {HOW}." if len(known) < len(found) else ""
    return f"{markdown_table(HEADER, rows)}\n\n{NOTE}{missing}"


def prediction_markdown(frame: pd.DataFrame, methods: Sequence[str]) -> str:
    """The correlations of `numbers.regularity.prediction` and who is best without knowing; empty without any."""
    found = prediction(frame[frame["method"].isin(methods)])
    if found["rho"].isna().all():
        return ""
    rates = sorted(found["discovery_rate"].unique())
    cells = {(row["method"], row["discovery_rate"]): row for row in found.to_dict("records")}
    rows = [
        [method, *(_estimate(cells[method, rate], "rho") if (method, rate) in cells else NO_VALUE for rate in rates)]
        for method in methods
    ]
    header = ("Method", *(f"{100 * rate:g}%" for rate in rates))
    correlations = f"{markdown_table(header, rows)}\n\n{PREDICTION_NOTE}"
    return f"{correlations}\n\n{_choices(frame, methods, rates)}\n\n{CHOICES_NOTE}\n\n{_choice(frame, methods)}"


def _choices(frame: pd.DataFrame, methods: Sequence[str], rates: Sequence[float]) -> str:
    found = [choices(frame, methods, rate).to_dict("index") for rate in rates]
    rows = [
        [label, *(_estimate(table[name], "value", 1) if table else NO_VALUE for table in found)]
        for name, label in CHOOSING.items()
    ]
    return markdown_table(["Choosing by", *(f"{100 * rate:g}%" for rate in rates)], rows)


def _estimate(row: dict[Any, Any], name: str, decimals: int = 2) -> str:
    """A number with its interval, if it has one."""
    return f"{number(row[name], decimals)} {interval(row['low'], row['high'], decimals)}".rstrip()


def _choice(frame: pd.DataFrame, methods: Sequence[str]) -> str:
    """What to use when the regularity is not known, in a sentence."""
    rate = frame["discovery_rate"].min()
    found = steady(frame, methods, rate)
    mean, worst = (found.sort_values(column, ascending=False, kind="stable").iloc[0] for column in ("mean", "worst"))
    best = f"{number(mean['mean'])} {interval(mean['low'], mean['high'])}".rstrip()
    whose = "" if mean.name == worst.name else f"{markdown_code(str(worst.name))} "
    return (
        f"With {100 * rate:g}% discovered and the regularity unknown: {markdown_code(str(mean.name))} has the best mean"
        f" over the corruptions, {best}, and {whose}the best worst case, {number(worst['worst'])} on {worst['where']}."
    )
