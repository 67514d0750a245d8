import io
import re

import pytest
from rich.console import Console

from unlearnbench.report.figures import cell_colours
from unlearnbench.report.frames import healing_correlation, trials
from unlearnbench.report.ranking import ranked_by_regularity, ranking
from unlearnbench.report.scores import read_scores
from unlearnbench.report.tables import (
    correlation_markdown,
    heatmap_table,
    ranked_markdown,
    ranked_table,
    ranking_sheet,
    ranking_sheets,
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


def test_terminal_ranking_with_intervals_has_them_below_the_means(frame):
    lines = printed(ranked_table(ranking(frame), intervals=True, title="High"))
    assert lines[0].strip() == "High"
    row = next(index for index, line in enumerate(lines) if " good " in line)
    assert re.fullmatch(r" +(\[\d+\.\d, \d+\.\d\] *){3}", lines[row + 1])


def test_ranks_are_marked_where_shared_or_of_missing_trials(frame):
    table = ranking(frame)
    rows = ranking_sheet(table, "").sections[0]
    assert [row[:2] for row in rows] == [["1", "good"], ["2=*", "flaky"], ["2=", "retrain"]]
    assert "share a rank (=)" in ranking_sheet(table, "").note
    assert "somewhat too narrow" in ranking_sheet(table, "").note


def test_markdown_ranking_has_numbers_failures_and_the_rule(frame):
    lines = ranked_markdown(ranking(frame)).splitlines()
    flaky = [cell.strip() for cell in lines[3].split("|")[1:-1]]
    assert flaky[:3] == ["2=\\*", "flaky", "Flaky"]
    assert re.fullmatch(r"20\.0 ± 5\.0 \[\d+\.\d, \d+\.\d\]", flaky[3])
    assert flaky[4:] == ["50.0 ± 0.0 [50.0, 50.0]", "60.0 ± 0.0 [60.0, 60.0]", "3", "3", "2.0", "25%"]
    assert lines[5].startswith("| - | oracle |")
    assert "failed trial counts as 0" in lines[-1]


def test_sheets_by_regularity(small):
    table = ranked_by_regularity(read_scores(small.engine, "small"))
    titles = [sheet.title for sheet in ranking_sheets(table, "Small")]
    assert titles == ["Small, high regularity", "Small, medium regularity", "Small, low regularity"]


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
