import csv
import io

import pytest
from rich.console import Console

from unlearnbench.errors import UsageError
from unlearnbench.report.rendering import comparison_as, ranking_as, write

CELLS = [(regularity, rate, seed) for regularity in ("low", "medium", "high") for rate in (0.1, 1.0) for seed in (0, 1)]


@pytest.fixture
def engine(stored):
    """Two methods, the second of which has a name that LaTeX would trip over."""
    stored.run("first")
    stored.problems()
    for name, healed in (("good", 0.8), ("so_so", 0.3)):
        stored.submission(name, name)
        for cell in CELLS:
            stored.trial("first", name, cell, healed=healed)
    return stored.engine


def text_of(content) -> str:
    if isinstance(content, str):
        return content
    console = Console(width=80, file=io.StringIO())
    console.print(*content, sep="\n")
    return console.file.getvalue()


@pytest.mark.parametrize(("by", "tables"), [("overall", 1), ("regularity", 3)])
def test_ranking_in_every_form(engine, by, tables):
    markdown, latex, terminal, rows = (
        text_of(ranking_as(form, engine, "small", by=by)) for form in ("markdown", "latex", "terminal", "csv")
    )
    assert markdown.count("| 1 | good | Good | 64.0 ± 0.0 [64.0, 64.0] |") == tables
    assert markdown.count("## A small suite") == tables
    assert latex.count(r"2 & so\_so & 24.0 $\pm$ 0.0") == tables
    assert terminal.count("so_so") == tables
    records = list(csv.DictReader(io.StringIO(rows)))
    assert [row["method"] for row in records] == ["good", "so_so"] * tables
    assert float(records[1]["aggregate"]) == pytest.approx(24.0, abs=1e-12)
    assert {row["rank"] for row in records} == {"1", "2"}
    assert ("regularity" in records[0]) == (by == "regularity")


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv"])
def test_comparison_in_every_form(engine, form):
    text = text_of(comparison_as(form, engine, "small", "good", "so_so"))
    assert "40.0" in text if form != "csv" else "good,so_so,all,,12,12,0,0," in text
    assert r"so\_so" in text if form == "latex" else "so_so" in text


def test_everything_can_be_written_to_a_file(engine, tmp_path):
    write(ranking_as("terminal", engine, "small"), tmp_path / "new" / "table.txt")
    text = (tmp_path / "new" / "table.txt").read_text()
    assert "64.0 ± 0.0" in text
    assert "\x1b" not in text
    with pytest.raises(UsageError, match=r"table.txt/x cannot be written: .*; give --out another file"):
        write(text, tmp_path / "new" / "table.txt" / "x")
