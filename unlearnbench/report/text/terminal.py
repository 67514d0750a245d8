"""Consoles whose output no text of others can control."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from copy import copy
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from unlearnbench.report.escaping import printable


class Terminal(Console):
    """A console on which text is `printable` and only text: no markup, no emoji codes; in files, no colours either."""

    def __init__(self, *, file: TextIO | None = None, stderr: bool = False, **options: Any):
        # FORCE_COLOR is meant for the logs of CI, which are pipes. What stays in a file is read by programs.
        colours = None if not _stays(file or (sys.stderr if stderr else sys.stdout)) else False
        super().__init__(markup=False, emoji=False, force_terminal=colours, file=file, stderr=stderr, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """As `Console.print`, but the columns of a table keep their `min_width`: if need be, the terminal wraps lines.

        Rich would leave names out and cut digits off.
        """
        fitting = [_at_least(item, self.width) if isinstance(item, Table) else item for item in objects]
        wide = any(isinstance(item, Table) and item.width is not None for item in fitting)
        super().print(*fitting, **({"crop": False} if wide else {}) | options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


def _at_least(table: Table, width: int) -> Table:
    """The table, or one of the width that its columns need if that is more than `width`."""
    needed = sum((column.min_width or 0) + 2 for column in table.columns)
    if needed <= width:
        return table
    wide = copy(table)
    wide.width = needed
    return wide


def _stays(stream: TextIO) -> bool:
    """Whether a stream is a file, on disk or in memory, and not a terminal or pipe."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # it has no descriptor
        return True
