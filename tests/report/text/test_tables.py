import re

import numpy as np
import pytest

from tests.report import terminal
from unlearnbench.report.numbers.frames import healing_correlation
from unlearnbench.report.numbers.ranking import ranking, ranking_by_corruption, ranking_of
from unlearnbench.report.text.tables import (
    BESIDE_TITLE,
    CLIPPED_NOTE,
    RANKING_HEADER,
    clipped,
    correlation_markdown,
    ranked_markdown,
    ranked_tables,
    ranking_sheets,
)
from unlearnbench.report.text.terminal_map import heatmap_table
from unlearnbench.report.wording import WITHOUT_ORACLE, cell_colours

WOBBLE = np.array([0.04, -0.03, 0.02, -0.01, 0.05, -0.04, 0.01, -0.04])


@pytest.fixture
def frame(small):
    return small.board().frame


def of_seeds(stored, seeds: int):
    """Two methods that cannot be told apart, one that is worse, and an oracle, on so many seeds."""
    stored.column(seeds=seeds)
    hardness = np.linspace(0.2, 0.5, 8)[:seeds]
    stored.scored("good", hardness + 0.3)
    stored.scored("close", hardness + 0.295 + WOBBLE[:seeds])
    stored.scored("far", hardness - WOBBLE[:seeds] / 2)
    stored.scored("oracle", [1.0] * seeds, role="reference")
    return stored


def printed(tables, width: int = 200) -> list[str]:
    """The lines of tables in a terminal of that width, without colours."""
    return terminal.printed(*(tables if isinstance(tables, list) else [tables]), width=width).splitlines()


def cells(sheet, row: int = 0, section: int = 0) -> dict[str, str]:
    return dict(zip(sheet.header, sheet.sections[section][row], strict=True))


def test_terminal_ranking_shows_all_methods_in_order(frame):
    lines = printed(ranked_tables(ranking(frame)))
    names = ("good", "retrain", "flaky", "oracle")
    rows = [next(index for index, line in enumerate(lines) if f" {name} " in line) for name in names]
    assert rows == sorted(rows)
    assert " 48.0 " in lines[rows[0]]
    assert lines[rows[2]].split()[:3] == ["-", "flaky", "-"], "no whole seed, no mean"
    assert rows[3] == rows[2] + 2  # a line sets the references off


def test_the_title_counts_no_seeds_of_references_and_the_note_says_that_seeds_differ(stored):
    stored.column(seeds=3)
    stored.scored("oracle", [0.9, 0.9, 0.9], role="reference")
    stored.scored("good", [0.5])
    sheet = ranking_sheets(ranking(stored.board().frame), "Title")[0]
    assert sheet.title == "Title. One seed: a demonstration, not a ranking."
    assert "means over other seeds" not in sheet.note
    stored.scored("better", [0.5, 0.6, 0.7])
    sheet = ranking_sheets(ranking(stored.board().frame), "Title")[0]
    assert "Rows with other numbers of seeds are means over other seeds" in sheet.note


@pytest.mark.parametrize("intervals", [False, True])
def test_terminal_ranking_fits_into_80_columns(stored, intervals):
    board = of_seeds(stored, 8).board()
    table = ranking_of(board.totals, board.suite)
    wide, narrow = (printed(ranked_tables(table, intervals=intervals), width) for width in (200, 80))
    row = next(line for line in wide if " close " in line)
    assert [line.split() for line in narrow if " close " in line] == [row.split()]


def test_terminal_ranking_with_intervals_has_them_below_the_means(stored):
    lines = printed(ranked_tables(ranking(of_seeds(stored, 3).board().frame), "High", intervals=True))
    assert lines[1].strip() == "High"
    row = next(index for index, line in enumerate(lines) if " good " in line)
    assert re.fullmatch(r" +(\[\d+\.\d, \d+\.\d\] *){2}", lines[row + 1])  # utility is constant, and has none


@pytest.mark.parametrize(("seeds", "words"), [(1, "One seed: a demonstration"), (2, "Two seeds: a demonstration")])
def test_fewer_than_three_seeds_are_a_demonstration_on_top_of_every_table(stored, seeds, words):
    stored = of_seeds(stored, seeds)
    stored.scored("good/tuned", [0.5] * seeds)
    table = ranking(stored.board().frame)
    sheets = ranking_sheets(table, "Small")
    assert [sheet.title.startswith(("Small. ", f"Small: {BESIDE_TITLE}. ")) for sheet in sheets] == [True, True]
    for text in (*(sheet.title for sheet in sheets), ranked_markdown(table), " ".join(printed(ranked_tables(table)))):
        assert words in text
    assert "[" not in "".join(sheets[0].sections[0][0])


def test_no_whole_seed_is_a_demonstration_too(frame):
    table = ranking(frame[frame["method"] == "flaky"])
    assert ranking_sheets(table, "")[0].title == "No whole seed: a demonstration, not a ranking."


@pytest.mark.parametrize("seeds", [3, 7])
def test_three_to_seven_seeds_have_intervals_and_no_ranks(stored, seeds):
    sheet = ranking_sheets(ranking(of_seeds(stored, seeds).board().frame), "Small")[0]
    assert sheet.title == "Small"
    row = cells(sheet, 2)
    assert (row["#"], row["Method"], row["Seeds"]) == ("-", "far", str(seeds))
    assert re.fullmatch(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", row["Healed"])
    assert sheet.note.startswith(f"{seeds} seeds: means and intervals; ranks need 8.")


def test_eight_seeds_have_rank_intervals(stored):
    sheet = ranking_sheets(ranking(of_seeds(stored, 8).board().frame), "")[0]
    assert [row[:2] for row in sheet.sections[0]] == [["1 to 2", "good"], ["1 to 2", "close"], ["3", "far"]]
    assert [row[:2] for row in sheet.sections[1]] == [["-", "oracle"]]
    assert sheet.note.startswith("8 seeds. ")


def test_intervals_are_cut_off_at_0_and_100_where_they_are_shown(stored):
    stored.column(seeds=3)
    stored.scored("wild", [0.02, 0.9, 0.99])
    stored.scored("calm", [0.5, 0.6, 0.55])
    table = ranking(stored.board().frame)
    wild = table[table["method"] == "wild"]
    assert wild["aggregate_low"].item() < 0
    assert wild["aggregate_high"].item() > 100
    sheet = ranking_sheets(table, "")[0]
    assert cells(sheet)["Healed"] == "63.7 [0.0, 100.0]"
    assert CLIPPED_NOTE in sheet.note
    calm = table[table["method"] == "calm"]
    assert CLIPPED_NOTE not in ranking_sheets(calm, "")[0].note
    for one_end in ({"utility_low": -1.0}, {"attack_success_high": 101.0}):
        assert CLIPPED_NOTE in ranking_sheets(calm.assign(**one_end), "")[0].note
    assert clipped(-1.0, 50.0) == (0.0, 50.0)
    assert clipped(50.0, 101.0) == (50.0, 100.0)


def test_other_variants_stand_below_and_are_not_ranked(stored):
    stored = of_seeds(stored, 8)
    stored.scored("good/tuned", np.linspace(0.2, 0.5, 8))
    table = ranking(stored.board().frame)
    ranked, beside = ranking_sheets(table, "Small")
    assert beside.title == f"Small: {BESIDE_TITLE}"
    assert [row[:2] for row in beside.sections[0]] == [["-", "good/tuned"]]
    assert "good/tuned" not in str(ranked.sections)
    assert len(ranked_tables(table)) == 2
    assert f"**{BESIDE_TITLE}**" in ranked_markdown(table)
    assert len(ranking_sheets(table[table["variant"] == "default"], "")) == 1


def test_trials_beyond_the_oracle_are_counted_and_explained(stored):
    stored.column(seeds=3)
    stored.scored("good", [0.9, 0.8, 0.1])
    note = ranking_sheets(ranking(stored.board().frame), "")[0].note
    assert "binomial" not in note
    assert WITHOUT_ORACLE in note, "nothing flagged, because nothing was looked for"
    stored.scored("oracle", [0.1] * 3, role="reference")
    sheet = ranking_sheets(ranking(stored.board().frame), "")[0]
    assert cells(sheet)["Beyond oracle"] == "2"
    assert "binomial" in sheet.note
    assert WITHOUT_ORACLE not in sheet.note


def test_markdown_ranking_has_numbers_failures_and_the_rule(small):
    small.submission("new", "new")
    for seed in (0, 1):
        for regularity in ("low", "medium", "high"):
            for rate in (0.1, 1.0):
                state = "failed" if rate == 0.1 else "finished"
                small.trial("first", "new", (regularity, rate, seed), state, healed=0.5, utility=0.6)
    lines = ranked_markdown(ranking(small.board().frame)).splitlines()
    row = next(line for line in lines if line.startswith("| - | new |"))
    found = dict(zip(RANKING_HEADER, [cell.strip() for cell in row.split("|")[1:-1]], strict=True))
    assert [found[name] for name in ("Title", "Healed", "Utility", "Seeds", "Failed", "Missing")] == [
        *("New", "50.0", "60.0", "2", "6", "")
    ]
    assert (found["Processor seconds"], found["Cost"]) == ("2.0", "25%")
    assert any(line.startswith("| - | oracle |") for line in lines)
    assert "failed trial counts as 0" in lines[-1]


def test_sheets_by_corruption(small):
    board = small.board()
    sheets = ranking_sheets(ranking_by_corruption(board.totals, board.suite), "Small")
    titles = [sheet.title.partition(".")[0] for sheet in sheets]
    assert titles == ["Small, High (poison-trigger)", "Small, Med", "Small, Low (random-swap)"]


def test_correlations_as_markdown(frame):
    lines = correlation_markdown(healing_correlation(frame)).splitlines()
    assert re.match(r"\| all \| 0\.\d\d \| 0\.\d\d \| 2 \| 36 \| 0 \|", lines[2])
    assert "| method retrain | - | - | 0 | 12 | 0 |" in lines
    good = next(line for line in lines if line.startswith("| method good |"))
    assert good.endswith("| - | 2 / 0 | 12 | 0 |"), "all of rho are perfect: none has an interval"


def test_terminal_map_shows_the_original_and_marks(frame):
    lines = printed(heatmap_table(frame, "flaky"))
    body = [line.split() for line in lines if line.split()[0] in ("High", "Med.", "Low")]
    assert body == [["High", "14", "-", "30"], ["Med.", "14", "30", "30?"], ["Low", "14", "15!", "x"]]
    assert "x all failed" in " ".join(lines)
    assert "No whole seed: a demonstration" in " ".join(" ".join(lines).split())
    assert "failed" not in "".join(printed(heatmap_table(frame, "good")))


def test_terminal_map_has_the_colours_of_the_figures(frame):
    cell = next(iter(heatmap_table(frame, "good").columns[2].cells))
    assert cell.style.bgcolor.name == cell_colours(64.0)[0]
    assert cell.style.color.name == cell_colours(64.0)[1]


def test_a_default_beside_tuned_variants_says_so_and_names_the_command(stored):
    stored.column(seeds=3)
    for name, role in (("good/tuned", "ranked"), ("good", "ranked"), ("foreign", "ranked"), ("known", "reference")):
        stored.scored(name, [0.5, 0.6, 0.7], role=role)
    frame = stored.board().frame
    table = ranking(frame, ("tuned", "default"))
    assert table.loc[table["untuned"], "method"].tolist() == ["foreign"]
    text = ranked_markdown(table)
    assert text.count("(default, no tuned variant)") == 1
    assert "Foreign (default, no tuned variant)" in text
    assert "default, no tuned variant: foreign. `unlearnbench tune METHOD --suite SUITE`" in text.replace("\\", "")
    assert "no tuned variant: foreign" in str(ranked_tables(table)[-1].caption) + str(ranked_tables(table)[0].caption)
    assert not ranking(frame)["untuned"].any(), "where nothing is tuned, nothing is said"
