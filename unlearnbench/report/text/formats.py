"""Render sheets as Markdown and LaTeX, and frames as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from unlearnbench.report.escaping import csv_frame, latex_text, markdown_text

TextFormat = Literal["terminal", "markdown", "csv", "latex"]

LEFT_ALIGNED = {
    *("Corruption", "Named", "Method", "Title", "Trials of", "Regularity", "On", "Rule", "Finding"),
    *("File", "Given", "Before", "After", "Choosing by", "Boards"),
}
"""Columns of text; all others hold numbers."""


@dataclass(frozen=True)
class Sheet:
    """A table of text in sections of rows, with a title and a note below."""

    title: str
    header: Sequence[str]
    sections: Sequence[Sequence[Sequence[str]]]
    note: str = ""

    def without(self, *columns: str) -> Sheet:
        """The sheet without these columns and without empty ones."""
        rows = [row for section in self.sections for row in section]
        places = [
            place
            for place, name in enumerate(self.header)
            if name not in columns and (not rows or any(row[place] for row in rows))
        ]
        sections = [[[row[place] for place in places] for row in section] for section in self.sections]
        return Sheet(self.title, [self.header[place] for place in places], sections, self.note)


def markdown(sheets: Sequence[Sheet]) -> str:
    """Tables in GitHub's Markdown, each under its title; distinct notes follow at the end."""
    parts = []
    for sheet in sheets:
        rows = [row for section in sheet.sections for row in section]
        parts += [f"## {markdown_text(sheet.title)}", markdown_table(sheet.header, rows)]
    return "\n\n".join([*parts, *dict.fromkeys(markdown_text(sheet.note) for sheet in sheets if sheet.note)]) + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in GitHub's Markdown, with escaped cells."""
    alignment = [":--" if name in LEFT_ALIGNED else "--:" for name in header]
    lines = [header, alignment, *([markdown_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def latex(sheets: Sequence[Sheet]) -> str:
    """Floating LaTeX tables with their titles as captions; they need the package booktabs."""
    return "\n".join(["% needs \\usepackage{booktabs}", *(_latex_table(sheet) for sheet in sheets)])


def _latex_table(sheet: Sheet) -> str:
    columns = "".join("l" if name in LEFT_ALIGNED else "r" for name in sheet.header)
    bodies = [[_latex_row(row) for row in section] for section in sheet.sections if section]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(sheet.title)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _latex_row(sheet.header),
        *(line for body in bodies for line in (r"\midrule", *body)),
        r"\bottomrule",
        r"\end{tabular}",
        *([r"\par\smallskip", rf"\footnotesize {latex_text(sheet.note)}"] if sheet.note else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(latex_text(cell) for cell in cells) + r" \\"


def csv(table: pd.DataFrame) -> str:
    """All columns at full precision; missing values are empty."""
    return csv_frame(table).to_csv(index=False, lineterminator="\n")
