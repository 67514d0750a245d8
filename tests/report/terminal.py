"""What a terminal shows of tables."""

from __future__ import annotations

import io

from rich.console import RenderableType

from unlearnbench.report.text.terminal import Terminal


def printed(*content: RenderableType, width: int = 80) -> str:
    """The text on a terminal of that width, without colours."""
    text = io.StringIO()
    Terminal(width=width, file=text).print(*content, sep="\n")
    return text.getvalue()
