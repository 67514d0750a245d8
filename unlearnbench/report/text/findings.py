"""Tables of methods by thirds of the discovery rates: in leaderboards, and in submissions/README.md between its prose.

    python -m unlearnbench.report.text.findings leaderboard/trials.csv submissions/README.md

rewrites every table whose first header cell is the name of a method. A test checks that both files agree.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from unlearnbench.errors import UsageError, unknown
from unlearnbench.evaluation.statistics import Values
from unlearnbench.report.escaping import markdown_text
from unlearnbench.report.numbers.frames import thirds
from unlearnbench.report.text.formats import markdown_table
from unlearnbench.report.text.tables import number
from unlearnbench.report.wording import row_labels

TABLE = re.compile(r"^\| `(?P<method>[^`]+)` \|.*\n(?:\|.*\n)+", re.MULTILINE)
OF_THIRDS = ("up to 33%", "up to 66%", "over 66%")
HEADER = ("Method", "Regularity", *OF_THIRDS)


def thirds_markdown(table: pd.DataFrame, methods: Sequence[str]) -> str:
    """`frames.thirds` as Markdown: healed / utility / product ± margin, with methods in this order."""
    labels = row_labels(table.index.get_level_values("corruption"))
    rows = []
    for method in methods:
        for corruption in [name for name in labels if (method, name) in table.index]:
            cells = table.loc[[(method, corruption)]].to_numpy().reshape(3, 4)
            rows.append([method, labels[corruption], *map(_third, cells)])
    return markdown_table(HEADER, rows)


def _third(cell: Values) -> str:
    *means, margin = cell
    certainty = "" if np.isnan(margin) else f" \N{PLUS-MINUS SIGN} {number(margin, 0)}"
    return " / ".join(number(value, 0) for value in means) + certainty


def updated(text: str, frame: pd.DataFrame) -> str:
    """The text with every method's table of healed / utility / product rebuilt from a frame of trials.

    Raises:
        UsageError: the frame has no trials of a table's method.
    """
    means = thirds(frame)
    known = sorted(frame["method"].unique())

    def table(match: re.Match[str]) -> str:
        method = match["method"]
        if method not in known:
            raise UsageError(unknown("method", method, known, " in the header of a table"))
        header, line, *rows = thirds_markdown(means, [method]).splitlines()
        without_name = [row.replace(f"| {markdown_text(method)} ", "", 1) for row in rows]
        header = header.replace("| Method | Regularity |", f"| `{method}` |")
        return "\n".join([header, line.replace("| :-- | :-- |", "| :-- |"), *without_name]) + "\n"

    return TABLE.sub(table, text)


def main(trials: str, document: str) -> None:
    path = Path(document)
    path.write_text(updated(path.read_text(), pd.read_csv(trials)))


if __name__ == "__main__":
    main(*sys.argv[1:])
