"""A method's map for the terminal, in the colours of the figures."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.style import Style
from rich.table import Table
from rich.text import Text

from unlearnbench.report.numbers.board import counted
from unlearnbench.report.numbers.frames import map_of, original_column, states_of, trials_of
from unlearnbench.report.numbers.regularity import values_of
from unlearnbench.report.text.tables import NO_VALUE
from unlearnbench.report.wording import PRODUCT, RATE_LABEL, cell_colours, row_labels, titled

_CELL_MARKS = {"failed": "x", "partly failed": "!", "missing": NO_VALUE, "partly missing": "?"}
_CELL_NOTES = {
    "failed": "x all failed",
    "partly failed": f"! some failed ({PRODUCT.lower()} = 0)",
    "missing": f"{NO_VALUE} not run",
    "partly missing": "? some not run",
}


def heatmap_table(frame: pd.DataFrame, method: str) -> Table:
    """A method's map, with the original model at rate 0."""
    seeds = int(counted(trials_of(frame, method))["seed"].nunique())
    cells, states = map_of(frame, "aggregate", method), states_of(frame, method)
    original = original_column(frame, "aggregate", method)
    present = set(states.to_numpy().flat)
    notes = ["0 is the original model", *(note for state, note in _CELL_NOTES.items() if state in present)]
    title = titled(f"{method}: {PRODUCT.lower()} (%)", seeds)
    table = Table(title=title, caption="; ".join(notes), box=None, pad_edge=False)
    table.add_column(RATE_LABEL)
    for rate in (0.0, *cells.columns):
        table.add_column(f"{100 * rate:g}", justify="right")
    labels = row_labels(cells.index, measured=values_of(frame))
    for corruption in cells.index:
        start = original.get(corruption, float("nan"))
        row = [_cell(start, "missing" if pd.isna(start) else "finished")]
        row += [_cell(cells.at[corruption, rate], states.at[corruption, rate]) for rate in cells.columns]
        table.add_row(labels[str(corruption)], *row)
    return table


def _cell(percent: Any, state: Any) -> Text:
    mark = _CELL_MARKS.get(state, "")
    if pd.isna(percent) or state == "failed":
        return Text(f" {mark} ")
    background, ink = cell_colours(float(percent))
    return Text(f" {percent:.0f}{mark} ", style=Style(color=ink, bgcolor=background))
