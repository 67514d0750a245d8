import csv
import io

import numpy as np
import pytest

from tests.report.terminal import printed
from unlearnbench.errors import UsageError
from unlearnbench.problems.streams import Seeds
from unlearnbench.report.text.rendering import comparison_as, ranking_as, write


@pytest.fixture
def board(stored):
    """Two methods on eight seeds of three corruptions, the second of which has a name that LaTeX would trip over."""
    stored.run("first", seeds=tuple(Seeds(seed, 10 + seed, 20 + seed) for seed in range(8)), discovery_rates=(1.0,))
    cells = [(regularity, 1.0, seed) for regularity in ("low", "medium", "high") for seed in range(8)]
    stored.problems(cells=cells)
    for name, healed in (("good", 0.8), ("so_so", 0.3)):
        stored.submission(name, name)
        for cell in cells:
            wobble = np.linspace(-0.07, 0.07, 8)[cell[2]] * (1 if name == "good" else -1)
            stored.trial("first", name, cell, healed=healed + wobble)
    return stored.board()


def text_of(content) -> str:
    return content if isinstance(content, str) else printed(*content)


# Eight values 2 points apart: the standard deviation is sqrt(24), times 0.8 of utility 3.92; t is 2.36, so +- 3.3.
@pytest.mark.parametrize(("by", "tables"), [("overall", 1), ("corruption", 3)])
def test_ranking_in_every_form(board, by, tables):
    markdown, latex, terminal, rows = (
        text_of(ranking_as(form, board, by=by)) for form in ("markdown", "latex", "terminal", "csv")
    )
    assert markdown.count("| 1 | good | Good | 64.0 [60.7, 67.3] |") == tables
    assert markdown.count("## A small suite") == tables
    assert latex.count(r"2 & so\_so & 24.0 {[}20.7, 27.3{]}") == tables
    assert terminal.count("so_so") == tables
    records = list(csv.DictReader(io.StringIO(rows)))
    assert [row["method"] for row in records] == ["good", "so_so"] * tables
    assert float(records[1]["aggregate"]) == pytest.approx(24.0, abs=1e-12)
    assert {(row["best"], row["worst"]) for row in records} == {("1", "1"), ("2", "2")}
    assert ("corruption" in records[0]) == (by == "corruption")


def test_what_is_in_the_numbers_of_a_row_is_not_in_its_csv(board):
    header = ranking_as("csv", board).splitlines()[0].split(",")
    assert header[:3] == ["best", "worst", "method"]
    assert "seeds" in header
    assert not [name for name in header if name.endswith(("_seeds", "_constant"))]


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv"])
def test_comparison_in_every_form(board, form):
    text = text_of(comparison_as(form, board, "good", "so_so"))
    assert "40.0" in text if form != "csv" else "good,so_so,all,,8,paired," in text
    assert r"so\_so" in text if form == "latex" else "so_so" in text


def test_the_variants_of_the_suite_decide_what_is_ranked(stored):
    stored.run("first", variants=("tuned",))
    stored.problems()
    for key, variant in (("good", "default"), ("good, tuned", "tuned")):
        stored.submission(key, "good", variant)
        stored.trial("first", key, ("low", 0.1, 0))
    ranked, beside = ranking_as("markdown", stored.board()).split("Other variants, not ranked")
    assert "good/tuned" in ranked
    assert "good/tuned" not in beside


def test_everything_can_be_written_to_a_file(board, tmp_path):
    write(ranking_as("terminal", board), tmp_path / "new" / "table.txt")
    text = (tmp_path / "new" / "table.txt").read_text()
    assert "64.0" in text
    assert "\x1b" not in text
    with pytest.raises(UsageError, match=r"cannot write .*table.txt/x: "):
        write(text, tmp_path / "new" / "table.txt" / "x")
