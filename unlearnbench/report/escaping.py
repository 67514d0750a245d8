"""Text of others (titles, names, reasons, suites, error messages) on its way out: one function per format.

All of them include `printable`, which is enough for terminals, pages (with Jinja's escaping), figures and XML. JSON and
Parquet carry text as it is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories of characters that control terminals or the direction of text, or that are not to be seen."""

_MARKDOWN = re.compile(
    r"[\\|*`<~$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # inside words underscores mean nothing
    r"|\[(?![-+]?\d+\.\d+, [-+]?\d+\.\d+\](?!\())"  # an interval is no link
    r"|&(?=#?\w+;)"
    r"|:(?=//|[\w+-]+:)|(?<=mailto):|(?<=xmpp):|(?<=www)\."  # addresses become links, :names: become emoji
    r"|#(?=#*$)",  # closes a heading
    re.IGNORECASE,
)
_FORMULA = re.compile(r"'*[=+\-@\t\n\uff1d\uff0b\uff0d\uff20]")
_LATEX = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"[": "{[}", "]": "{]}", "*": "{*}"},  # at the start of a row they would be read as options of the row before
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{MINUS SIGN}": "$-$",
    "\N{REPLACEMENT CHARACTER}": "?",
}


def printable(text: str) -> str:
    """Replace control characters (but newlines and tabs), marks of direction, and what is invisible or undefined."""
    if text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(one) in _HIDDEN and one not in "\n\t" else one
        for one in text
    )


def one_line(text: str) -> str:
    """`printable` text on one line."""
    return printable(" ".join(text.splitlines()).replace("\t", " "))


def markdown_text(text: str) -> str:
    """`one_line` as GitHub's Markdown, in a cell or after other text: no markup, HTML, link or formula comes of it."""
    escaped = _MARKDOWN.sub(lambda found: f"\\{found[0]}", one_line(text))
    # Nothing escapes addresses of mail and mentions: an invisible word joiner keeps them from being links.
    return escaped.replace("@", "@&#8288;")


def markdown_code(text: str) -> str:
    """`one_line` as a code span of Markdown, outside of tables."""
    line = one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if not line or line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def latex_text(text: str) -> str:
    """`one_line` with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in one_line(text))


def csv_text(text: str) -> str:
    """`printable` text that no spreadsheet takes for a formula: a quote is put before what would start one."""
    text = printable(text)
    return f"'{text}" if _FORMULA.match(text) else text


def from_csv_text(cell: str) -> str:
    """The text that `csv_text` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def csv_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with `csv_text` in every cell of text."""
    columns = frame.select_dtypes(include=["object", "string"])
    return frame.assign(**{str(name): column.map(_csv_cell) for name, column in columns.items()})


def _csv_cell(value: object) -> object:
    return csv_text(value) if isinstance(value, str) else value
