"""A comparison of two methods as a terminal map and as sheets for files."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.style import Style
from rich.table import Table
from rich.text import Text

from unlearnbench.report.numbers.comparison import ALL
from unlearnbench.report.text.formats import Sheet
from unlearnbench.report.text.tables import HEALED_UNDISCOVERED, NO_VALUE, interval
from unlearnbench.report.wording import PRODUCT, RATE_LABEL, difference_colours, row_labels, titled

COMPARISON_HEADER = (
    *("On", PRODUCT, "95% interval", "Seeds", "Won, tied, lost", "Healed", HEALED_UNDISCOVERED),
    *("Attack success", "Utility", "Cost"),
)
COMPARISON_NOTE = (
    "Differences in percentage points, positive where the first method is larger, with 95% t intervals over at least"
    " three whole seeds. Paired: both methods started from the same original models in each of these seeds;"
    " unpaired: they did not (Welch's t over all seeds of each). A failed trial counts as 0 in"
    f" {PRODUCT.lower()}; other means are over finished trials. Cost is processor time in percent of retraining's."
)
MAP_NOTE = "*: the 95% interval over seeds excludes zero, without adjustment for the number of cells."
MAP_NOTE_OF_FEW = "Fewer than three seeds: no intervals."


def signed(points: float, decimals: int = 1) -> str:
    """Format a difference with its sign; zero has none."""
    if pd.isna(points):
        return NO_VALUE
    rounded = round(points, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"


def overview_sheet(table: pd.DataFrame, first: str, second: str, *kinds: str) -> Sheet:
    """The differences overall and by corruption; `kinds` are the kinds of original of the two methods."""
    apart = (
        f" Not only the methods differ, but also their originals ({' and '.join(kinds)})."
        if len(set(kinds)) > 1
        else ""
    )
    labels = {ALL: "all"} | _labels(table)
    rows = [
        [
            labels[row["corruption"]],
            signed(row["aggregate"]),
            interval(row["aggregate_low"], row["aggregate_high"]) or NO_VALUE,
            f"{row['seeds']} {row['kind']}",
            f"{row['wins']}/{row['ties']}/{row['losses']}",
            *(signed(row[name]) for name in ("healed_train", "healed_undiscovered", "attack_success", "utility")),
            signed(100 * row["cost"], 0),
        ]
        for row in table[table["discovery_rate"].isna()].to_dict("records")
    ]
    title = titled(f"{first} minus {second}", int(table["seeds"].iloc[0]))
    return Sheet(title, COMPARISON_HEADER, [rows[:1], rows[1:]], COMPARISON_NOTE + apart)


def map_sheet(table: pd.DataFrame, first: str, second: str) -> Sheet:
    """The difference in every cell of the map, with its interval."""
    rates, labels = _rates(table), _labels(table)
    rows = [
        [labels[corruption], *(_cell_text(cells.get(rate)) for rate in rates)]
        for corruption, cells in _cells(table).items()
    ]
    title = f"{first} minus {second}: {PRODUCT.lower()} by discovery rate (%)"
    return Sheet(title, ("Regularity", *(f"{100 * rate:g}" for rate in rates)), [rows], "")


def difference_map(table: pd.DataFrame, first: str, second: str) -> Table:
    """The map of differences for the terminal: blue if the first method is better, brown if worse."""
    title = f"{first} minus {second}: {PRODUCT.lower()} (percentage points)"
    note = MAP_NOTE if table.loc[table["discovery_rate"].notna(), "aggregate_low"].notna().any() else MAP_NOTE_OF_FEW
    shown = Table(title=title, caption=note, box=None, pad_edge=False, caption_justify="left")
    shown.title_justify = "left"
    shown.add_column(RATE_LABEL)
    rates, labels = _rates(table), _labels(table)
    for rate in rates:
        shown.add_column(f"{100 * rate:g}", justify="right")
    for corruption, cells in _cells(table).items():
        shown.add_row(labels[corruption], *(_coloured(cells.get(rate)) for rate in rates))
    return shown


def _labels(table: pd.DataFrame) -> dict[str, str]:
    return row_labels(table.loc[table["corruption"] != ALL, "corruption"])


def _rates(table: pd.DataFrame) -> list[float]:
    return sorted(table["discovery_rate"].dropna().unique())


def _cells(table: pd.DataFrame) -> dict[str, dict[float, dict[Any, Any]]]:
    """The rows of the comparison of single cells, by corruption and rate."""
    cells: dict[str, dict[float, dict[Any, Any]]] = {}
    for row in table[table["discovery_rate"].notna()].to_dict("records"):
        cells.setdefault(row["corruption"], {})[row["discovery_rate"]] = row
    return cells


def _cell_text(row: dict[Any, Any] | None) -> str:
    if row is None or pd.isna(row["aggregate"]):
        return NO_VALUE
    return f"{signed(row['aggregate'])} {interval(row['aggregate_low'], row['aggregate_high'])}".rstrip()


def _coloured(row: dict[Any, Any] | None) -> Text:
    if row is None or pd.isna(row["aggregate"]):
        return Text(f"{NO_VALUE} ")
    apart = row["aggregate_low"] > 0 or row["aggregate_high"] < 0
    background, ink = difference_colours(row["aggregate"])
    return Text(f"{signed(row['aggregate'], 0)}{'*' if apart else ' '}", style=Style(color=ink, bgcolor=background))
