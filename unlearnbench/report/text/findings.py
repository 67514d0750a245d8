"""Update the tables in submissions/README.md from the committed leaderboard; the prose is written by hand.

    python -m unlearnbench.report.text.findings leaderboard/trials.csv submissions/README.md

rewrites every table whose first header cell is the name of a method. A test checks that both files agree.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from unlearnbench.errors import UsageError, unknown
from unlearnbench.report.escaping import markdown_text
from unlearnbench.report.numbers.frames import thirds
from unlearnbench.report.text.tables import thirds_markdown

TABLE = re.compile(r"^\| `(?P<method>[^`]+)` \|.*\n(?:\|.*\n)+", re.MULTILINE)


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
