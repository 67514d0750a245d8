"""What a terminal shows of tables."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


def printed(*content: RenderableType, width: int = 80) -> str:
    """The text on a terminal of that width, without colours."""
    text = io.StringIO()
    Console(width=width, file=text).print(*content, sep="\n")
    return text.getvalue()
