"""The numbers in submissions/README.md: tables are those of the committed leaderboard, the prose is a person's.

    python -m unlearnbench.report.text.findings leaderboard/trials.csv submissions/README.md

rewrites every table whose first header cell is the name of a method; a test holds the two files together.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from unlearnbench.errors import UsageError, unknown
from unlearnbench.report.numbers.frames import thirds
from unlearnbench.report.text.tables import thirds_markdown

TABLE = re.compile(r"^\| `(?P<method>[^`]+)` \|.*\n(?:\|.*\n)+", re.MULTILINE)


def updated(text: str, frame: pd.DataFrame) -> str:
    """The text with every method's table of healed / utility / product made anew from this frame of trials.

    Raises:
        UsageError: a table of a method that the frame has no trials of.
    """
    means = thirds(frame)
    known = sorted(frame["method"].unique())

    def table(match: re.Match[str]) -> str:
        method = match["method"]
        if method not in known:
            raise UsageError(unknown("method", method, known, " in the header of a table"))
        header, line, *rows = thirds_markdown(means, [method]).splitlines()
        without_name = [row.replace(f"| {method} ", "", 1) for row in rows]
        header = header.replace("| Method | Regularity |", f"| `{method}` |")
        return "\n".join([header, line.replace("| :-- | :-- |", "| :-- |"), *without_name]) + "\n"

    return TABLE.sub(table, text)


def main(trials: str, document: str) -> None:
    path = Path(document)
    path.write_text(updated(path.read_text(), pd.read_csv(trials)))


if __name__ == "__main__":
    main(*sys.argv[1:])
