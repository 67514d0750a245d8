"""Tables of text as Markdown, as LaTeX, and frames as CSV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

TextFormat = Literal["terminal", "markdown", "csv", "latex"]

LEFT_ALIGNED = {"Method", "Title", "Trials of", "Regularity", "On", "Rule", "What was found"}
"""Columns of words; all others hold numbers."""

_LATEX = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"[": "{[}", "]": "{]}"},  # a bracket that begins a row would be read as an option of the row before
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{MINUS SIGN}": "$-$",
}


@dataclass(frozen=True)
class Sheet:
    """A table of text with a title and a note below; rows of one section stand together."""

    title: str
    header: Sequence[str]
    sections: Sequence[Sequence[Sequence[str]]]
    note: str = ""

    def without(self, *columns: str) -> Sheet:
        """The sheet without these columns, and without those that are empty."""
        rows = [row for section in self.sections for row in section]
        places = [
            place
            for place, name in enumerate(self.header)
            if name not in columns and (not rows or any(row[place] for row in rows))
        ]
        sections = [[[row[place] for place in places] for row in section] for section in self.sections]
        return Sheet(self.title, [self.header[place] for place in places], sections, self.note)


def markdown(sheets: Sequence[Sheet]) -> str:
    """Tables in GitHub's Markdown, each under its title; a note that several have stands once, at the end."""
    parts = []
    for sheet in sheets:
        rows = [row for section in sheet.sections for row in section]
        parts += [f"## {markdown_text(sheet.title)}", markdown_table(sheet.header, rows)]
    return "\n\n".join([*parts, *dict.fromkeys(sheet.note for sheet in sheets if sheet.note)]) + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in GitHub's Markdown; what could end a cell or a row, or be taken for markup, is escaped."""
    alignment = [":--" if name in LEFT_ALIGNED else "--:" for name in header]
    lines = [header, alignment, *([markdown_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown_text(text: str) -> str:
    """The text on one line, without any meaning in Markdown. Underscores inside a word have none."""
    one_line = " ".join(text.split())
    return re.sub(r"[\\|*`<~]|(?<!\w)_|_(?!\w)|(?<=\])\(|&(?=#?\w+;)", lambda found: f"\\{found[0]}", one_line)


def latex(sheets: Sequence[Sheet]) -> str:
    """Tables for a document that uses the package booktabs, each a float with its title as caption."""
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


def latex_text(text: str) -> str:
    """The text on one line, without any meaning in LaTeX."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def csv(table: pd.DataFrame) -> str:
    """All columns at full precision; what is missing is empty."""
    return table.to_csv(index=False, lineterminator="\n")
