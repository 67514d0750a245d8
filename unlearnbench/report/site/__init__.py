"""The static site: a folder of pages that open from the file system and ask for nothing outside of it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine

from unlearnbench.report.numbers.board import Board
from unlearnbench.report.site.gather import content_of
from unlearnbench.report.site.pages import cell_data, render, scale

STATIC = ("site.css", "site.js")
OF_METHOD = ("html", "js")
"""What is written for every method: its page, and the numbers of its cells for all pages that show its map."""


def write_site(engine: Engine, board: Board, table: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the site for a board and its `ranking`; the paths of what was written.

    The same store gives the same bytes. Pages of methods that are no longer there are removed, and nothing else.
    """
    shown = content_of(engine, board, table)
    texts = {name: (files(__name__) / "static" / name).read_text(encoding="utf-8") for name in STATIC}
    texts |= {"scale.css": scale()} | render(shown)
    texts |= {
        Path(method.page).with_suffix(".js").name: cell_data(method, shown.corruptions) for method in shown.methods
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    for old in (path for kind in OF_METHOD for path in folder.glob(f"method-*.{kind}")):
        if old.name not in texts:
            old.unlink()
    return [folder / name for name in texts]
