"""The tables: rich for the terminal, sheets of text for files. One list of columns serves both."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.style import Style
from rich.table import Table
from rich.text import Text

from unlearnbench.report.formats import LEFT_ALIGNED, Sheet, markdown_table
from unlearnbench.report.frames import REFERENCE, RETRAIN, map_of, original_column, states_of
from unlearnbench.report.labels import PRODUCT, RATE_LABEL, REGULARITY_LABELS

if TYPE_CHECKING:
    from unlearnbench.engine.rerun import Comparison
    from unlearnbench.engine.tries import Choices, Rule, Try

NO_VALUE = "-"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
RANKING_HEADER = ("#", "Method", "Title", PRODUCT, "Healed", "Utility", "Failed", "Missing", "Seconds", "Cost")
RANKING_NOTE = (
    f"Percent, mean {PLUS_MINUS} standard error over all cells and seeds. Methods share a rank (=) that the results"
    " cannot tell apart: from the top, a method shares the rank of the first one of its group unless the bootstrap 95%"
    " interval of their difference, paired by problem, lies above zero; it then begins the next group. A failed trial"
    f" counts as 0 in {PRODUCT.lower()}; healed, utility and seconds are means over finished trials. A missing trial"
    " counts nowhere: a method with missing trials (*) is not yet comparable. Healed is measured on the corrupted"
    f" training samples. Cost is time as a share of {RETRAIN}. References have no rank. Methods are ranked among those"
    " that stand on the same kind of original."
)
INTERVAL_NOTE = (
    "Brackets hold 95% intervals of one bootstrap over problems, the same for all methods. It takes problems for"
    " independent; those of one seed at several discovery rates are not, so intervals are somewhat too narrow."
)
THIRDS_HEADER = ("Method", "Regularity", "up to 33%", "up to 66%", "over 66%")
CORRELATION_HEADER = ("Trials of", "Pearson r", "Spearman rho", "Trials", "Left out")

_ONLY_IN_FILES = ("Title", "Seconds")
_HEADER_WIDTH = 10
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


def interval(low: float, high: float, decimals: int = 1) -> str:
    """An interval in brackets; nothing where there is none."""
    return "" if pd.isna(low) else f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def _rank(row: dict[Any, Any], shared: bool) -> str:
    """A rank, `=` if it is shared, `*` if trials are missing."""
    if pd.isna(row["rank"]):
        return NO_VALUE
    return f"{row['rank']}{'=' if shared else ''}{'*' if row['missing'] else ''}"


def _ranking_cells(row: dict[Any, Any], shared: bool, before_interval: str | None) -> list[str]:
    """One row of the ranking under `RANKING_HEADER`; intervals follow their means, if anything stands between."""

    def measured(metric: str) -> str:
        mean = _with_error(row[metric], row[f"{metric}_sem"])
        ends = interval(row[f"{metric}_low"], row[f"{metric}_high"])
        return mean if before_interval is None or not ends else f"{mean}{before_interval}{ends}"

    return [
        _rank(row, shared),
        row["method"],
        row["title"],
        *(measured(metric) for metric in ("aggregate", "healed", "utility")),
        *(str(row[state]) if row[state] else "" for state in ("failed", "missing")),
        number(row["seconds"]),
        NO_VALUE if pd.isna(row["cost"]) else f"{row['cost']:.0%}",
    ]


def ranking_sheet(ranking: pd.DataFrame, title: str, before_interval: str | None = " ") -> Sheet:
    """The ranking as a sheet: a section for each kind of original, and one for its references.

    before_interval: what stands between a mean and its interval; None leaves intervals out.
    """
    shared = ranking.duplicated(["stands_on", "rank"], keep=False)
    sections: dict[tuple[str, bool], list[list[str]]] = {}
    for row, equal in zip(ranking.to_dict("records"), shared, strict=True):
        key = (row["stands_on"], row["role"] == REFERENCE)
        sections.setdefault(key, []).append(_ranking_cells(row, equal, before_interval))
    note = RANKING_NOTE if before_interval is None else f"{RANKING_NOTE} {INTERVAL_NOTE}"
    return Sheet(title, RANKING_HEADER, list(sections.values()), note)


def ranking_sheets(ranking: pd.DataFrame, title: str, before_interval: str | None = " ") -> list[Sheet]:
    """A sheet of the whole ranking, or one for each regularity of a ranking by regularity."""
    if "regularity" not in ranking:
        return [ranking_sheet(ranking, title, before_interval)]
    return [
        ranking_sheet(part, f"{title}, {regularity} regularity", before_interval)
        for regularity, part in ranking.groupby("regularity", sort=False)
    ]


def ranked_table(ranking: pd.DataFrame, *, intervals: bool = False, title: str = "") -> Table:
    """The ranking for the terminal; references stand below a line, dimmed.

    It fits into 80 columns: titles and times are left to files, intervals stand under their means, and a column
    without a value is left out.
    """
    sheet = ranking_sheet(ranking, title, "\n" if intervals else None)
    dimmed = (ranking["role"] == REFERENCE).tolist()
    return terminal_table(sheet.without(*_ONLY_IN_FILES), dimmed)


def terminal_table(sheet: Sheet, dimmed: Sequence[bool] = ()) -> Table:
    """A sheet for the terminal, a line between sections; dimmed says so of each row."""
    title = sheet.title or None
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False, title=title, caption_justify="left")
    table.caption, table.title_justify = sheet.note or None, "left"
    for name in sheet.header:
        left = name in LEFT_ALIGNED
        header = "\n".join(textwrap.wrap(name, _HEADER_WIDTH))
        table.add_column(header, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    dim = iter(dimmed)
    for section in sheet.sections:
        for row in section:
            table.add_row(*(Text(cell) for cell in row), style="dim" if next(dim, False) else "")
        if section is not sheet.sections[-1]:
            table.add_section()
    return table


def ranked_markdown(ranking: pd.DataFrame) -> str:
    """The ranking and what its columns mean, as Markdown."""
    sheet = ranking_sheet(ranking, "")
    return f"{markdown_table(sheet.header, [row for section in sheet.sections for row in section])}\n\n{sheet.note}"


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
            else f"{row[kind]:.2f} {interval(row[f'{kind}_low'], row[f'{kind}_high'], 2)}"
            for kind in ("pearson", "spearman")
        ]
        rows.append([str(name), *estimates, str(row["trials"]), str(row["left_out"])])
    return markdown_table(CORRELATION_HEADER, rows)


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
    from unlearnbench.report.figures import cell_colours  # the scale of the figures; slow to import

    background, ink = cell_colours(float(percent))
    return Text(f" {percent:.0f}{mark} ", style=Style(color=ink, bgcolor=background))


def tries_table(tries: Sequence[Try], rule: Rule) -> Table:
    """All tries of a tuning, best first; `score` is that of the rule, over the trials that a try was given."""
    names = list(dict.fromkeys(name for item in tries for name in item.hyperparameters))
    table = Table(*names, "score", "trials", "failed", "seconds", "pruned", box=SIMPLE_HEAD, pad_edge=False)
    for item in tries:
        table.add_row(
            *(str(item.hyperparameters.get(name, NO_VALUE)) for name in names),
            f"{100 * item.score(rule):.1f}",
            str(item.trials),
            str(item.failed or ""),
            number(float("nan") if item.seconds is None else item.seconds, 2),
            item.pruned or "",
        )
    return table


def cost_line(found: Choices) -> str:
    """What the blind choice costs, in a sentence."""
    default, blind, oracle, cost = (
        float("nan") if value is None else value for value in (found.default, found.blind, found.oracle, found.cost)
    )
    return (
        f"{PRODUCT}, mean over the tuning problems: default {number(100 * default)}%, blind choice"
        f" {number(100 * blind)}%, oracle's choice {number(100 * oracle)}%;"
        f" the blind choice costs {number(cost)} points."
    )


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Each field of a record beside what running the trial again gave."""
    table = Table("field", "stored", "again", "equal", box=SIMPLE_HEAD, pad_edge=False)
    for item in comparisons:
        values = (NO_VALUE if value is None else str(value)[:40] for value in (item.stored, item.again))
        table.add_row(item.name, *values, {True: "yes", False: "no", None: ""}[item.equal])
    return table
