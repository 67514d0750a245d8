"""Tables for the terminal (rich) and as sheets for files, with the same columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from unlearnbench.evaluation.statistics import FEWEST_FOR_RANKS, FEWEST_POINTS
from unlearnbench.report.escaping import markdown_text
from unlearnbench.report.numbers.budget import MARKED, budget_text, budget_words
from unlearnbench.report.numbers.totals import BEYOND, ORACLE, REFERENCE, RETRAIN
from unlearnbench.report.text.formats import LEFT_ALIGNED, Sheet, markdown_table
from unlearnbench.report.wording import PRODUCT, UNTUNED, WITHOUT_ORACLE, in_order, row_labels, standing, titled

if TYPE_CHECKING:
    from unlearnbench.problems.suite import Suite

NO_VALUE = "-"
HEALED_UNDISCOVERED = "Healed, undiscovered"
RANKING_HEADER = (
    *("#", "Method", "Title", PRODUCT, "Healed", HEALED_UNDISCOVERED, "Healed, test", "Attack success", "Utility"),
    *("Seeds", "Failed", "Missing", "Beyond oracle", "Processor seconds", "Cost"),
)
BUDGET = "Budget"
"""The last column of a ranking that has a column `budget`."""
SHOWN = ("aggregate", "healed_train", "healed_undiscovered", "healed_test", "attack_success", "utility")
RANKING_NOTE = (
    "Means over whole seeds in percent, with 95% t intervals over seeds in brackets. # is the range of ranks that a "
    f"method can have, given {FEWEST_FOR_RANKS} seeds or more; it follows from the differences from all others, "
    "adjusted for their number (Holm). Rows are sorted by the mean, which is not a rank. The intervals do not cover "
    f"other data sets, splits or hyperparameters. A failed trial counts as 0 in {PRODUCT.lower()}; other means are "
    "over finished trials. A seed with missing trials does not count. Healed is the accuracy on the corrupted "
    "training samples; attack success is the share of test images that get the corruption's label. Processor seconds "
    f"are those of importing the submission and of unlearning; cost is their share of {RETRAIN}'s. References are not "
    "ranked; methods are ranked among those on the same kind of original."
)
TERMINAL_NOTE = (
    "Means over whole seeds in percent, with 95% t intervals over seeds. #: the range of ranks that a method can have."
    f" A failed trial counts as 0 in {PRODUCT.lower()}. Cost: processor time as a share of {RETRAIN}'s. Sorted by the"
    " mean."
)
BEYOND_NOTE = (
    f"Beyond oracle: trials that heal more than {ORACLE} on the same problem by over {BEYOND:g} binomial standard"
    " errors; check the code of such methods."
)
UNPAIRED_NOTE = "Compared unpaired (Welch), because they share the original models of fewer than three seeds:"
BUDGET_NOTE = (
    f"{BUDGET}: samples in backward passes as a multiple of the suite's budget, by the trials' own count, mean over"
    f" finished trials; ! marks more than {MARKED:g}, and a dash that none were counted."
)
TERMINAL_BUDGET_NOTE = f"{BUDGET}: samples in backward passes as a multiple of it; ! marks more than {MARKED:g}."
UNEVEN_NOTE = (
    "Rows with other numbers of seeds are means over other seeds: `unlearnbench compare` has the differences over those"
    " that two methods share."
)
CLIPPED_NOTE = "Intervals are cut off at 0 and 100."
BESIDE_TITLE = "Other variants, not ranked"
CORRELATION_HEADER = ("Trials of", "Pearson r", "Spearman rho", "Seeds", "Trials", "Left out")
CORRELATION_NOTE = (
    "Correlations between healed on train and healed on test over finished trials: means over seeds with 95% intervals"
    f" (Fisher's z). A seed needs at least {FEWEST_POINTS} trials that are not all equal. Where two numbers of seeds"
    " are given, they are those of r and of rho."
)

_ONLY_IN_FILES = ("Title", "Processor seconds", "Healed, test", "Attack success")
_HEADER_WIDTH = 8
_NAME_WIDTH = 20
"""Characters of a name that a terminal table shows on one line, however narrow the terminal is."""


def number(value: float, decimals: int = 1) -> str:
    return NO_VALUE if pd.isna(value) else f"{value:.{decimals}f}"


def interval(low: float, high: float, decimals: int = 1) -> str:
    """An interval in brackets; empty if there is none."""
    return "" if pd.isna(low) else f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def clipped(low: float, high: float) -> tuple[float, float]:
    """The ends of an interval of percentages, clipped to 0 and 100."""
    return (low, high) if pd.isna(low) else (max(low, 0.0), min(high, 100.0))


def with_interval(value: float, low: float, high: float) -> str:
    """A percentage, followed by its clipped interval if there is one."""
    return f"{number(value)} {interval(*clipped(low, high))}".rstrip()


def rank_text(row: dict[Any, Any]) -> str:
    """The ranks that a method can have: `2 to 4`, `1`, or a dash."""
    if pd.isna(row["best"]):
        return NO_VALUE
    return str(row["best"]) if row["best"] == row["worst"] else f"{row['best']} to {row['worst']}"


def _ranking_cells(row: dict[Any, Any], before_interval: str | None) -> list[str]:
    """One row under `RANKING_HEADER`; without `before_interval`, no intervals."""

    def measured(metric: str) -> str:
        ends = interval(*clipped(row[f"{metric}_low"], row[f"{metric}_high"]))
        text = number(row[metric])
        return text if before_interval is None or not ends else f"{text}{before_interval}{ends}"

    return [
        rank_text(row),
        row["method"],
        f"{row['title']} ({UNTUNED})" if row["untuned"] else row["title"],
        *(measured(metric) for metric in SHOWN),
        str(row["seeds"]),
        *(str(row[count]) if row[count] else "" for count in ("failed", "missing", "beyond")),
        number(row["processor_seconds"]),
        NO_VALUE if pd.isna(row["cost"]) else f"{row['cost']:.0%}",
        *([budget_text(row["budget"], "!")] if "budget" in row else []),
    ]


def ranking_sheets(ranking: pd.DataFrame, title: str, before_interval: str | None = " ") -> list[Sheet]:
    """A sheet of the ranking and, if any, one of the other variants; of a ranking by corruption, these per corruption.

    Sheets have a section per kind of original, and one for its references.

    before_interval: text between a mean and its interval; None leaves intervals out.
    """
    if "corruption" in ranking:
        labels = row_labels(ranking["corruption"])
        return [
            sheet
            for name in in_order(ranking["corruption"])
            for sheet in ranking_sheets(
                ranking[ranking["corruption"] == name].drop(columns="corruption"),
                f"{title}, {labels[name]} ({name})",
                before_interval,
            )
        ]
    beside = ~ranking["ranked"] & (ranking["role"] != REFERENCE)
    return [
        _ranking_sheet(part, ": ".join(text for text in (title, suffix) if text), before_interval)
        for part, suffix in ((ranking[~beside], ""), (ranking[beside], BESIDE_TITLE))
        if len(part) or not suffix
    ]


def _ranking_sheet(ranking: pd.DataFrame, title: str, before_interval: str | None) -> Sheet:
    sections: dict[tuple[str, bool], list[list[str]]] = {}
    for row in ranking.to_dict("records"):
        key = (row["starts_from"], row["role"] == REFERENCE)
        sections.setdefault(key, []).append(_ranking_cells(row, before_interval))
    header = (*RANKING_HEADER, BUDGET) if "budget" in ranking else RANKING_HEADER
    return Sheet(titled(title, _seeds(ranking)), header, list(sections.values()), _note(ranking))


def _seeds(ranking: pd.DataFrame) -> int:
    """The largest number of whole seeds of a row that is no reference, as `board.most_seeds`."""
    own = ranking.loc[ranking["role"] != REFERENCE, "seeds"]
    return int((own if len(own) else ranking["seeds"]).max()) if len(ranking) else 0


def _note(ranking: pd.DataFrame) -> str:
    """The note below the ranking: what its seeds support and what its columns mean."""
    parts = [text for text in (standing(_seeds(ranking)), RANKING_NOTE) if text]
    lows, highs = (ranking[[f"{metric}_{end}" for metric in SHOWN]] for end in ("low", "high"))
    if (lows < 0).any(axis=None) or (highs > 100).any(axis=None):
        parts.append(CLIPPED_NOTE)
    if "budget" in ranking:
        parts.append(BUDGET_NOTE)
    parts += [uneven_note(ranking), *_untuned_note(ranking)]
    if ranking["unpaired"].any():
        parts.append(f"{UNPAIRED_NOTE} {unpaired_words(ranking)}.")
    if ranking["beyond"].any():
        parts.append(BEYOND_NOTE)
    if not (ranking.loc[ranking["submission"] == ORACLE, "seeds"] >= ranking["seeds"].max()).any():
        parts.append(f"{WITHOUT_ORACLE}.")
    return " ".join(filter(None, parts))


def uneven_note(ranking: pd.DataFrame) -> str:
    """The sentence on rows that are means over different seeds; empty if there are none."""
    seeds = ranking.loc[ranking["ranked"] & (ranking["seeds"] > 0), "seeds"]
    return UNEVEN_NOTE if seeds.nunique() > 1 else ""


def _untuned_note(ranking: pd.DataFrame) -> list[str]:
    """The sentences on methods that compete with their defaults beside tuned variants, if any."""
    names = ", ".join(ranking.loc[ranking["untuned"], "method"])
    command = "`unlearnbench tune METHOD --suite SUITE`"
    note = f"Ranked beside tuned variants, but {UNTUNED}: {names}. {command} tunes what has a [search] table."
    return [note] if names else []


def over_budget_note(over: dict[str, float], suite: Suite) -> str:
    """The note on methods `over_budget`; empty if there are none."""
    if not over:
        return ""
    named = ", ".join(f"{method} {times:.1f} times" for method, times in over.items())
    return (
        "More samples in backward passes than the budget, by the trials' own count, mean over finished trials:"
        f" {named}. The budget is {budget_words(suite)}."
    )


def unpaired_words(ranking: pd.DataFrame) -> str:
    """The methods that were compared unpaired, each with its number of such rivals."""
    rows = ranking[ranking["unpaired"] > 0]
    return ", ".join(f"{name} with {count}" for name, count in zip(rows["method"], rows["unpaired"], strict=True))


def ranked_tables(ranking: pd.DataFrame, title: str = "", *, intervals: bool = False) -> list[Table]:
    """The ranking for a terminal of 80 columns; references are dimmed, below a line.

    Titles, seconds, healed on test and attack success are left out, intervals are below their means, and empty columns
    are dropped, as is a number of seeds that is the same in all rows: the title or the note says it.
    """
    hidden = _ONLY_IN_FILES if ranking["seeds"].nunique() > 1 else (*_ONLY_IN_FILES, "Seeds")
    sheets = ranking_sheets(ranking, title, "\n" if intervals else None)
    references = set(ranking.loc[ranking["role"] == REFERENCE, "method"])
    place = RANKING_HEADER.index("Method")
    budget = TERMINAL_BUDGET_NOTE if "budget" in ranking else ""
    parts = (standing(_seeds(ranking)), TERMINAL_NOTE, budget, uneven_note(ranking), *_untuned_note(ranking))
    note = " ".join(text for text in parts if text)
    tables = []
    for sheet in sheets:
        dimmed = [row[place] in references for section in sheet.sections for row in section]
        last = sheet is sheets[-1]
        narrow = replace(sheet.without(*hidden), note=note if last else "")
        tables.append(terminal_table(narrow, dimmed))
    return tables


def terminal_table(sheet: Sheet, dimmed: Sequence[bool] = ()) -> Table:
    """A sheet for the terminal, with lines between sections. `dimmed` has a flag per row.

    In a narrow terminal it is wider than that: without names or digits it would say nothing, or something else.
    """
    title = f"\n{sheet.title}\n" if sheet.title else None
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False, show_edge=False, title=title)
    table.caption, table.title_justify, table.caption_justify = sheet.note or None, "left", "left"
    for place, name in enumerate(sheet.header):
        left = name in LEFT_ALIGNED
        header = "\n".join(textwrap.wrap(name, _HEADER_WIDTH, break_long_words=False))
        cells = [header, *(row[place] for section in sheet.sections for row in section)]
        widest = max(len(line) for cell in cells for line in cell.split("\n"))
        table.add_column(
            header,
            justify="left" if left else "right",
            no_wrap=not left,
            overflow="fold",
            min_width=min(widest, _NAME_WIDTH) if left else widest,
        )
    dim = iter(dimmed)
    for section in sheet.sections:
        for row in section:
            table.add_row(*(Text(cell) for cell in row), style="dim" if next(dim, False) else "")
        if section is not sheet.sections[-1]:
            table.add_section()
    return table


def ranked_markdown(ranking: pd.DataFrame, *notes: str) -> str:
    """The ranking, the other variants, and below them their note and these notes, as Markdown."""
    sheets = ranking_sheets(ranking, "")
    parts = []
    for sheet in sheets:
        if sheet.title:
            parts.append(f"**{sheet.title}**")
        parts.append(markdown_table(sheet.header, [row for section in sheet.sections for row in section]))
    return "\n\n".join([*parts, *(markdown_text(note) for note in (sheets[0].note, *notes) if note)])


def correlation_markdown(correlations: pd.DataFrame) -> str:
    """The correlations of `frames.healing_correlation` as a Markdown table."""
    rows = [
        [
            row["name"] if row["by"] == "overall" else f"{row['by']} {row['name']}",
            *(correlation_text(row, measure) for measure in ("pearson", "spearman")),
            seeds_text(row),
            *(str(row[name]) for name in ("trials", "left_out")),
        ]
        for row in correlations.to_dict("records")
    ]
    return markdown_table(CORRELATION_HEADER, rows)


def correlation_text(row: dict[Any, Any], measure: str) -> str:
    """A correlation, with its interval if it has one."""
    if pd.isna(row[measure]):
        return NO_VALUE
    return f"{row[measure]:.2f} {interval(row[f'{measure}_low'], row[f'{measure}_high'], 2)}".rstrip()


def seeds_text(row: dict[Any, Any]) -> str:
    """The number of seeds of a row of correlations; two numbers if Pearson's and Spearman's differ."""
    both = [str(row[f"{measure}_seeds"]) for measure in ("pearson", "spearman")]
    return " / ".join(dict.fromkeys(both))
