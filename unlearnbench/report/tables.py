"""The tables: rich for the terminal, Markdown for files. One list of columns serves both."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.style import Style
from rich.table import Table
from rich.text import Text

from unlearnbench.report.figures import PRODUCT, RATE_LABEL, REGULARITY_LABELS, cell_colours
from unlearnbench.report.frames import REFERENCE, RETRAIN, map_of, original_column, states_of

if TYPE_CHECKING:
    from unlearnbench.engine.tune import Try

NO_VALUE = "-"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
RANKING_HEADER = (
    *("#", "Method", "Title", PRODUCT, "95% interval", "Healed", "Utility"),
    *("Failed", "Missing", "Seconds", "Cost"),
)
RANKING_NOTE = (
    f"Percent, mean {PLUS_MINUS} standard error over all cells and seeds. A failed trial counts"
    f" as 0 in {PRODUCT.lower()}; healed, utility and seconds are means over finished trials. A missing trial counts"
    " nowhere: a method with missing trials is not yet comparable. Healed is measured on the corrupted training"
    f" samples. Cost is time as a share of {RETRAIN}. References have no rank. Methods are ranked"
    " among those that stand on the same kind of original."
)
THIRDS_HEADER = ("Method", "Regularity", "up to 33%", "up to 66%", "over 66%")
CORRELATION_HEADER = ("Trials of", "Pearson r", "Spearman rho", "Trials", "Left out")

_MARKDOWN_ONLY = {"Title", "95% interval", "Seconds"}
_HEADER_WIDTH = 10
_LEFT_ALIGNED = {"Method", "Title", "Trials of", "Regularity", "Rule", "What was found"}
_CELL_MARKS = {"failed": "x", "partly failed": "!", "missing": NO_VALUE, "partly missing": "?"}
_CELL_NOTES = {
    "failed": "x all failed",
    "partly failed": f"! some failed ({PRODUCT.lower()} = 0)",
    "missing": f"{NO_VALUE} not run",
    "partly missing": "? some not run",
}


def number(value: float, decimals: int = 1) -> str:
    return NO_VALUE if pd.isna(value) else f"{value:.{decimals}f}"


def _with_error(value: float, error: float) -> str:
    return number(value) if pd.isna(error) else f"{value:.1f} {PLUS_MINUS} {error:.1f}"


def _interval(low: float, high: float, decimals: int) -> str:
    return NO_VALUE if pd.isna(low) else f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def _ranking_cells(row: dict[Any, Any]) -> list[str]:
    """One row of the ranking under `RANKING_HEADER`."""
    return [
        NO_VALUE if pd.isna(row["rank"]) else str(row["rank"]),
        row["method"],
        row["title"],
        _with_error(row["aggregate"], row["aggregate_sem"]),
        _interval(row["aggregate_low"], row["aggregate_high"], 1),
        _with_error(row["healed"], row["healed_sem"]),
        _with_error(row["utility"], row["utility_sem"]),
        *(str(row[state]) if row[state] else "" for state in ("failed", "missing")),
        number(row["seconds"]),
        NO_VALUE if pd.isna(row["cost"]) else f"{row['cost']:.0%}",
    ]


def ranked_table(ranking: pd.DataFrame) -> Table:
    """The ranking for the terminal; references stand below a line, dimmed.

    It fits into 80 columns: titles, intervals and times are left to the Markdown table, and a column without a value
    is left out.
    """
    rows = [dict(zip(RANKING_HEADER, _ranking_cells(row), strict=True)) for row in ranking.to_dict("records")]
    shown = [name for name in RANKING_HEADER if name not in _MARKDOWN_ONLY and any(row[name] for row in rows)]
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False, caption=RANKING_NOTE, caption_justify="left")
    for name in shown:
        left = name in _LEFT_ALIGNED
        header = "\n".join(textwrap.wrap(name, _HEADER_WIDTH))
        table.add_column(header, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    reference = (ranking["role"] == REFERENCE).tolist()
    sections = list(zip(ranking["stands_on"], reference, strict=True))
    for index, row in enumerate(rows):
        table.add_row(
            *(Text(row[name]) for name in shown),
            style="dim" if reference[index] else "",
            end_section=index + 1 < len(rows) and sections[index] != sections[index + 1],
        )
    return table


def ranked_markdown(ranking: pd.DataFrame) -> str:
    """The ranking and what its columns mean, as Markdown."""
    rows = [_ranking_cells(row) for row in ranking.to_dict("records")]
    return f"{markdown_table(RANKING_HEADER, rows)}\n\n{RANKING_NOTE} The interval is a bootstrap over trials."


def thirds_markdown(table: pd.DataFrame, methods: Sequence[str]) -> str:
    """Healed / utility / their product by third of discovery, methods in this order, as a Markdown table."""
    rows = []
    for method in methods:
        for regularity in [name for name in REGULARITY_LABELS if (method, name) in table.index]:
            cells = table.loc[[(method, regularity)]].to_numpy().reshape(3, 3)
            numbers = [" / ".join(number(value, 0) for value in cell) for cell in cells]
            rows.append([method, REGULARITY_LABELS[regularity], *numbers])
    return markdown_table(THIRDS_HEADER, rows)


def correlation_markdown(correlations: pd.DataFrame) -> str:
    """Train/test healing correlations with their 95% intervals, as a Markdown table."""
    rows = []
    for row in correlations.to_dict("records"):
        name = row["name"] if row["by"] == "overall" else f"{row['by']} {row['name']}"
        estimates = [
            NO_VALUE
            if pd.isna(row[kind])
            else f"{row[kind]:.2f} {_interval(row[f'{kind}_low'], row[f'{kind}_high'], 2)}"
            for kind in ("pearson", "spearman")
        ]
        rows.append([str(name), *estimates, str(row["trials"]), str(row["left_out"])])
    return markdown_table(CORRELATION_HEADER, rows)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in GitHub's Markdown; what could end a cell or a row is escaped."""
    alignment = [":--" if name in _LEFT_ALIGNED else "--:" for name in header]
    lines = [header, alignment, *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")


def heatmap_table(frame: pd.DataFrame, method: str) -> Table:
    """A method's map for the terminal, with the original model at rate 0, in the colours of the figures."""
    cells, states = map_of(frame, "aggregate", method), states_of(frame, method)
    original = original_column(frame, "aggregate", method)
    present = set(states.to_numpy().flat)
    notes = ["0 is the original model", *(note for state, note in _CELL_NOTES.items() if state in present)]
    table = Table(title=f"{method}: {PRODUCT.lower()} (%)", caption="; ".join(notes), box=None, pad_edge=False)
    table.add_column(RATE_LABEL)
    for rate in (0.0, *cells.columns):
        table.add_column(f"{100 * rate:g}", justify="right")
    for regularity in cells.index:
        start = original.get(regularity, float("nan"))
        row = [_cell(start, "missing" if pd.isna(start) else "finished")]
        row += [_cell(cells.at[regularity, rate], states.at[regularity, rate]) for rate in cells.columns]
        table.add_row(REGULARITY_LABELS[str(regularity)], *row)
    return table


def _cell(percent: Any, state: Any) -> Text:
    mark = _CELL_MARKS.get(state, "")
    if pd.isna(percent) or state == "failed":
        return Text(f" {mark} ")
    background, ink = cell_colours(float(percent))
    return Text(f" {percent:.0f}{mark} ", style=Style(color=ink, bgcolor=background))


def tries_table(tries: Sequence[Try]) -> Table:
    """All tries of a tuning, best first."""
    names = list(dict.fromkeys(name for item in tries for name in item.hyperparameters))
    table = Table(*names, "score", "failed", "seconds", box=SIMPLE_HEAD, pad_edge=False)
    for item in tries:
        values = [str(item.hyperparameters.get(name, NO_VALUE)) for name in names]
        failed = f"{item.failed} of {item.trials}" if item.failed else ""
        table.add_row(
            *values,
            f"{100 * item.score:.1f}",
            failed,
            number(float("nan") if item.seconds is None else item.seconds, 2),
        )
    return table
