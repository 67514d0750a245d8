"""A comparison of two methods as tables: for the terminal, and as sheets for files."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.style import Style
from rich.table import Table
from rich.text import Text

from unlearnbench.report.comparison import ALL
from unlearnbench.report.formats import Sheet
from unlearnbench.report.labels import PRODUCT, RATE_LABEL, REGULARITY_LABELS, difference_colours
from unlearnbench.report.tables import NO_VALUE, interval

COMPARISON_HEADER = ("On", "Problems", PRODUCT, "95% interval", "Won, tied, lost", "Healed", "Utility", "Cost")
COMPARISON_NOTE = (
    "Differences in percentage points, on problems that both have a record of; above zero the first is better."
    f" Intervals are of a bootstrap over these problems. A failed trial counts as 0 in {PRODUCT.lower()}; healed,"
    " utility and cost are compared where both finished. Cost is in points of retraining's time: above zero the first"
    " takes longer."
)
MAP_NOTE = (
    "* the 95% interval excludes zero. A cell has few problems, one a seed: its interval is a rough one, and narrower"
    " than it should be."
)
MAP_NOTE_OF_ONE = "No cell has two problems: there are no intervals."


def signed(points: float, decimals: int = 1) -> str:
    """A difference with its sign; 0 without one."""
    if pd.isna(points):
        return NO_VALUE
    rounded = round(points, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"


def overview_sheet(table: pd.DataFrame, first: str, second: str, *kinds: str) -> Sheet:
    """The differences on the whole map and for each regularity; `kinds` are the originals that the two stand on."""
    apart = f" The originals differ ({' and '.join(kinds)}), not only the methods." if len(set(kinds)) > 1 else ""
    rows = [
        [
            "all" if row["regularity"] == ALL else REGULARITY_LABELS[row["regularity"]],
            str(row["problems"]),
            signed(row["aggregate"]),
            interval(row["aggregate_low"], row["aggregate_high"]) or NO_VALUE,
            f"{row['wins']}/{row['ties']}/{row['losses']}",
            *(signed(row[name]) for name in ("healed", "utility")),
            signed(100 * row["cost"], 0),
        ]
        for row in table[table["discovery_rate"].isna()].to_dict("records")
    ]
    return Sheet(f"{first} minus {second}", COMPARISON_HEADER, [rows[:1], rows[1:]], COMPARISON_NOTE + apart)


def map_sheet(table: pd.DataFrame, first: str, second: str) -> Sheet:
    """The differences in every cell of the map, with their intervals."""
    rates = _rates(table)
    rows = [
        [REGULARITY_LABELS[regularity], *(_cell_text(cells.get(rate)) for rate in rates)]
        for regularity, cells in _cells(table).items()
    ]
    title = f"{first} minus {second}: {PRODUCT.lower()} by discovery rate (%)"
    return Sheet(title, ("Regularity", *(f"{100 * rate:g}" for rate in rates)), [rows], "")


def difference_map(table: pd.DataFrame, first: str, second: str) -> Table:
    """The map of differences for the terminal: blue where the first is better, brown where it is worse."""
    title = f"{first} minus {second}: {PRODUCT.lower()} (percentage points)"
    several = (table.loc[table["discovery_rate"].notna(), "problems"] > 1).any()
    note = MAP_NOTE if several else MAP_NOTE_OF_ONE
    shown = Table(title=title, caption=note, box=None, pad_edge=False, caption_justify="left")
    shown.title_justify = "left"
    shown.add_column(RATE_LABEL)
    rates = _rates(table)
    for rate in rates:
        shown.add_column(f"{100 * rate:g}", justify="right")
    for regularity, cells in _cells(table).items():
        shown.add_row(REGULARITY_LABELS[regularity], *(_coloured(cells.get(rate)) for rate in rates))
    return shown


def _rates(table: pd.DataFrame) -> list[float]:
    return sorted(table["discovery_rate"].dropna().unique())


def _cells(table: pd.DataFrame) -> dict[str, dict[float, dict[Any, Any]]]:
    """The rows of the map: of each regularity the record of each rate."""
    cells: dict[str, dict[float, dict[Any, Any]]] = {}
    for row in table[table["discovery_rate"].notna()].to_dict("records"):
        cells.setdefault(row["regularity"], {})[row["discovery_rate"]] = row
    return cells


def _cell_text(row: dict[Any, Any] | None) -> str:
    if row is None or not row["problems"]:
        return NO_VALUE
    return f"{signed(row['aggregate'])} {interval(row['aggregate_low'], row['aggregate_high'])}".rstrip()


def _coloured(row: dict[Any, Any] | None) -> Text:
    if row is None or not row["problems"]:
        return Text(f"{NO_VALUE} ")
    apart = row["aggregate_low"] > 0 or row["aggregate_high"] < 0
    background, ink = difference_colours(row["aggregate"])
    return Text(f"{signed(row['aggregate'], 0)}{'*' if apart else ' '}", style=Style(color=ink, bgcolor=background))
