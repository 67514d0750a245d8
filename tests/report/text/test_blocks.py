"""Tables between the prose of a page."""

from __future__ import annotations

import pytest

from unlearnbench.errors import UsageError
from unlearnbench.report.text.blocks import updated

PAGE = "# A page\n\nBefore.\n\n<!-- new -->\n<!-- end -->\n\nBetween.\n\n<!-- old -->\n| a |\n<!-- end -->\n\nAfter.\n"


def test_only_the_tables_are_rewritten() -> None:
    tables = {"new": "| 1 |", "old": r"| \1 |"}
    text = updated(PAGE, tables)
    assert text == (
        "# A page\n\nBefore.\n\n<!-- new -->\n\n| 1 |\n\n<!-- end -->\n\nBetween.\n\n"
        "<!-- old -->\n\n| \\1 |\n\n<!-- end -->\n\nAfter.\n"
    )
    assert updated(text, tables) == text


def test_a_table_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="unknown table 'old'"):
        updated(PAGE, {"new": "| 1 |"})
