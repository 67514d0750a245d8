import io

import pytest
from rich.console import Console

from unlearnbench.report.figures import cell_colours
from unlearnbench.report.frames import healing_correlation, trials
from unlearnbench.report.ranking import ranking
from unlearnbench.report.tables import (
    correlation_markdown,
    heatmap_table,
    markdown_table,
    ranked_markdown,
    ranked_table,
)


@pytest.fixture
def frame(small):
    return trials(small.engine, "small")


def printed(table, width: int = 200) -> list[str]:
    """The lines of a table in a terminal of that width, without colours."""
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    return console.file.getvalue().splitlines()


def test_terminal_ranking_shows_all_methods_in_order(frame):
    lines = printed(ranked_table(ranking(frame)))
    names = ("good", "flaky", "retrain", "oracle")
    rows = [next(index for index, line in enumerate(lines) if f" {name} " in line) for name in names]
    assert rows == sorted(rows)
    assert "48.0 ± 4.6" in lines[rows[0]]
    assert rows[3] == rows[2] + 2  # a line sets the references off


def test_terminal_ranking_fits_into_80_columns(frame):
    wide, narrow = printed(ranked_table(ranking(frame))), printed(ranked_table(ranking(frame)), width=80)
    row = next(line for line in wide if " flaky " in line)
    assert [line.strip() for line in narrow if " flaky " in line] == [row.strip()]


def test_markdown_ranking_has_numbers_failures_and_the_rule(frame):
    lines = ranked_markdown(ranking(frame)).splitlines()
    flaky = [cell.strip() for cell in lines[3].split("|")[1:-1]]
    assert flaky[:4] == ["2", "flaky", "Flaky", "20.0 ± 5.0"]
    assert flaky[5:] == ["50.0 ± 0.0", "60.0 ± 0.0", "3", "3", "2.0", "25%"]
    assert lines[5].startswith("| - | oracle |")
    assert "failed trial counts as 0" in lines[-1]


def test_markdown_cells_cannot_break_the_table():
    assert markdown_table(["Method"], [["a | b\nc"]]).splitlines() == ["| Method |", "| :-- |", "| a \\| b c |"]


def test_correlations_as_markdown(frame):
    lines = correlation_markdown(healing_correlation(frame)).splitlines()
    assert lines[2].startswith("| all | 0.")
    assert "| method flaky | - | - | 0 | 6 |" in lines
    assert any(line.startswith("| method good |") and "| 1.00 [1.00, 1.00] | 12 | 0 |" in line for line in lines)


def test_terminal_map_shows_the_original_and_marks(frame):
    lines = printed(heatmap_table(frame, "flaky"))
    body = [line.split() for line in lines if line.split()[0] in ("High", "Med.", "Low")]
    assert body == [["High", "14", "-", "30"], ["Med.", "14", "30", "30?"], ["Low", "14", "15!", "x"]]
    assert "x all failed" in " ".join(lines)
    assert "failed" not in "".join(printed(heatmap_table(frame, "good")))


def test_terminal_map_has_the_colours_of_the_figures(frame):
    cell = next(iter(heatmap_table(frame, "good").columns[2].cells))
    assert cell.style.bgcolor.name == cell_colours(64.0)[0]
    assert cell.style.color.name == cell_colours(64.0)[1]
