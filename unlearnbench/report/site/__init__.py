"""The static site: pages that work from the file system and load nothing from outside their folder."""

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
"""Suffixes of the files of every method: its page, and the numbers of its cells, loaded by pages with its map."""


def write_site(engine: Engine, board: Board, table: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the site of a board and its `ranking`; returns the paths.

    The same store gives the same bytes. Only pages of methods no longer on the board are deleted.
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
