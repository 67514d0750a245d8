"""Colours are for terminals and logs; files have none, whatever is forced."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest
from rich.table import Table

from unlearnbench.report.text.formats import Sheet
from unlearnbench.report.text.rendering import write
from unlearnbench.report.text.tables import terminal_table
from unlearnbench.report.text.terminal import Terminal


def test_forced_colours_do_not_get_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = Table("method", title="ranking")
    table.add_row("mine", style="red")
    write([table], tmp_path / "table.txt")
    kept = StringIO()
    with (tmp_path / "stdout.txt").open("w") as file:
        for stream in (file, kept):
            Terminal(file=stream).print(table)
    for text in ((tmp_path / "table.txt").read_text(), (tmp_path / "stdout.txt").read_text(), kept.getvalue()):
        assert "mine" in text
        assert "\x1b" not in text


def test_forced_colours_get_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    reader, writer = os.pipe()
    with os.fdopen(reader) as read, os.fdopen(writer, "w") as written:
        Terminal(file=written).print("mine", style="red")
        written.close()
        assert "\x1b[31mmine" in read.read()


@pytest.mark.parametrize("width", [10, 30, 50])
def test_a_narrow_terminal_loses_neither_names_nor_digits(width: int) -> None:
    rows = [["gradient_ascent", "12.5", "102%"], ["a_name_of_more_than_twenty_letters", "100.0", "8%"]]
    table = terminal_table(Sheet("", ("Method", "Utility x healed", "Cost"), [rows], ""))
    kept = StringIO()
    Terminal(file=kept, width=width).print(table)
    words = kept.getvalue().split()
    assert {"Method", "gradient_ascent", "12.5", "102%", "100.0", "8%"} <= set(words)
    assert "a_name_of_more_than_" in kept.getvalue(), "the rest is on the next line"


def test_eighty_columns_are_kept_where_they_are_enough() -> None:
    rows = [["gradient_ascent/digits", *6 * ["100.0"]]]
    table = terminal_table(Sheet("", ("Method", *"abcdef"), [rows], "A note. " * 30))
    kept = StringIO()
    Terminal(file=kept, width=80).print(table)
    assert max(map(len, kept.getvalue().splitlines())) <= 80
