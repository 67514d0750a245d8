"""The static site: pages that work from the file system and load nothing from outside their folder."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from sqlalchemy import Engine

from unlearnbench.report.numbers.board import Board
from unlearnbench.report.site.data import script_of
from unlearnbench.report.site.gather import content_of
from unlearnbench.report.site.pages import render, scale
from unlearnbench.system.files import replacing

STATIC = ("site.css", "numbers.js", "site.js", "ranking.js", "method.js", "compare.js")


def write_site(engine: Engine, boards: Sequence[Board], folder: Path, repository: str = "") -> list[Path]:
    """Write one site of these boards of a store, each in a folder named after its suite; returns the paths.

    The same store gives the same bytes. Only pages of methods no longer on these boards are deleted.

    Args:
        repository: address of the code, to which pages then link.
    """
    shown = [content_of(engine, board) for board in boards]
    texts = {name: (files(__name__) / "static" / name).read_text(encoding="utf-8") for name in STATIC}
    texts |= {"scale.css": scale()} | render(shown, repository)
    for content in shown:
        texts |= {f"{content.suite}/data.js": script_of(content), f"{content.suite}/ranking.csv": content.csv}
    for name, text in texts.items():
        with replacing(folder / name) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
    for content in shown:
        for old in (folder / content.suite).glob("method-*.html"):
            if f"{content.suite}/{old.name}" not in texts:
                old.unlink()
    return [folder / name for name in texts]
