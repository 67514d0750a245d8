"""The tables of the page of `digits`, by hand: two methods, two corruptions' cells at 10% and 100%, one failure."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.digits import (
    audited_markdown,
    budgets_markdown,
    by_score,
    choices_markdown,
    differences_markdown,
    regions_markdown,
    rounding_markdown,
    write_page,
)
from tests.small_store import CELLS, Stored
from unlearnbench import library
from unlearnbench.errors import UsageError

ROOT = Path(__file__).parents[2]


def fill(stored: Stored) -> None:
    """`careful` heals half and keeps everything; `eager` heals all and keeps 40%, and fails once."""
    stored.run("first")
    stored.problems()
    for name, healed, utility in (("careful", 0.5, 1.0), ("eager", 1.0, 0.4)):
        stored.submission(name, name)
        for cell in CELLS:
            state = "failed" if (name, cell) == ("eager", CELLS[0]) else "finished"
            stored.trial("first", name, cell, state, healed=healed, utility=utility)


def test_every_trial_is_scored_anew_and_a_failure_is_nothing(stored: Stored) -> None:
    fill(stored)
    table = by_score(stored.board())
    one_of_twelve, one_of_six = 11 / 12, 5 / 6  # the failed trial is at 10%, where something is undiscovered
    expected = pd.DataFrame(
        {
            "utility x healed": {"careful": 50.0, "eager": 40.0 * one_of_twelve},
            # half of what they heal elsewhere; the failed trial has no share of anything
            "utility x healed, undiscovered": {"careful": 25.0, "eager": 20.0 * one_of_six},
            "min(healed, utility)": {"careful": 50.0, "eager": 40.0 * one_of_twelve},
        }
    )
    assert table.to_dict() == expected.map(lambda value: f"{value:.1f}").to_dict()


def test_budgets_are_compared_on_their_common_methods_and_seeds(stored: Stored) -> None:
    fill(stored)
    stored.run("second", "double")
    stored.submission("careful twice", "careful")
    for cell in CELLS:
        stored.trial("second", "careful twice", cell, healed=0.75, utility=1.0)
    header, _, *rows = budgets_markdown({"one": stored.board(), "two": stored.board("double")}).splitlines()
    assert header == "| Method | one | two minus one |"
    assert rows == ["| careful | 50.0 | +25.0 |"]


def test_budgets_pair_the_seeds_that_a_method_has_on_both_boards(stored: Stored) -> None:
    fill(stored)
    stored.run("second", "double")
    stored.submission("careful twice", "careful")
    stored.submission("eager twice", "eager")
    for cell in CELLS:
        stored.trial("second", "careful twice", cell, healed=0.75, utility=1.0)
        if cell[2]:
            stored.trial("second", "eager twice", cell, healed=1.0, utility=1.0)
    *_, row = budgets_markdown({"one": stored.board(), "two": stored.board("double")}).splitlines()
    assert row == "| eager | 36.7 | +60.0 |"


def test_what_choices_cost_is_read_from_the_files_of_the_tuning(tmp_path: Path) -> None:
    line = "{} default 56.9%, blind choice 60.0%, oracle's choice 77.9%; the blind choice costs {} points.\n"
    (tmp_path / "cheap.txt").write_text(line.format("Mean:", 0.5))
    (tmp_path / "dear.txt").write_text(line.format("Mean:", 17.9))
    _, _, *rows = choices_markdown(tmp_path).splitlines()
    assert rows == ["| dear | 56.9 | 60.0 | 77.9 | 17.9 |", "| cheap | 56.9 | 60.0 | 77.9 | 0.5 |"]
    (tmp_path / "old.txt").write_text("nothing")
    with pytest.raises(UsageError, match=r"old.txt does not say what its choices cost"):
        choices_markdown(tmp_path)


def test_a_region_names_the_best_and_all_that_may_be_first(stored: Stored) -> None:
    stored.column()
    stored.scored("best", [0.9, 0.8, 0.9, 0.8, 0.9, 0.8, 0.9, 0.7])
    stored.scored("equal", [0.8, 0.9, 0.8, 0.9, 0.8, 0.9, 0.7, 0.7])
    stored.scored("behind", [0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.2])
    frame = stored.board().frame
    _, _, row = regions_markdown(frame, ["best", "equal", "behind"]).splitlines()
    regularity, *_, over = row.strip("| ").split(" | ")
    assert regularity == "High"
    assert over.startswith("best 83.8 [")
    assert over.endswith("]; or equal")
    assert regions_markdown(frame, ["best", "behind"]).splitlines()[-1].endswith("] |")


def test_differences_have_their_intervals_over_seeds(stored: Stored) -> None:
    stored.column(seeds=4)
    stored.scored("first", [0.5, 0.6, 0.7, 0.2])
    stored.scored("second", [0.4, 0.4, 0.4, 0.3])
    stored.scored("retrain", [0.1] * 4)
    header, _, row = differences_markdown(stored.board().frame, [("first", "second")]).splitlines()
    assert header == "| Method | All | High | Seeds won |"
    difference = "+12.5 [-14.7, 39.7]"  # of 10, 20, 30 and -10: standard error 8.54, t 3.18
    assert row == f"| first minus second | {difference} | {difference} | 3 of 4 |"


def test_another_processor_is_compared_on_its_own_seeds(stored: Stored) -> None:
    stored.column(seeds=4)
    stored.scored("method", [0.5, 0.6, 0.7, 0.6])
    stored.scored("retrain", [0.1] * 4)
    here = stored.board().frame.assign(weights_hash=["a", "b", "c", "d"] * 2)
    there = here[(here["method"] == "method") & here["seed"].isin(sorted(here["seed"].unique())[:2])]
    there = there.assign(aggregate=there["aggregate"] + [0.0, -0.2], weights_hash=["a", "e"])
    _, _, row = rounding_markdown(here, there).splitlines()
    assert row == "| method | 60.0 [47.0, 73.0] | 55.0 | 45.0 | 20.0 | 20.0 | 50% |"


def test_an_audited_board_is_compared_with_the_open_one_on_seeds_of_its_own(stored: Stored) -> None:
    stored.column(seeds=4)
    stored.scored("method", [0.5, 0.6, 0.7, 0.6])
    stored.scored("retrain", [0.1] * 4)
    public = stored.board().frame
    audited = public[(public["method"] == "method") & (public["seed"] != public["seed"].max())]
    _, _, row = audited_markdown(public, audited.assign(aggregate=audited["aggregate"] - 0.1)).splitlines()
    # Standard errors 5.77 of three seeds and 4.08 of four: 7.07, times the t of 3.86 degrees of freedom, 2.82.
    assert row == "| method | 50.0 [25.2, 74.8] | 60.0 [47.0, 73.0] | -10.0 [-29.9, 9.9] |"


@pytest.mark.slow
def test_the_page_is_that_of_the_committed_files(tmp_path: Path) -> None:
    board, other, page = tmp_path / "board.db", tmp_path / "other.db", tmp_path / "digits.md"
    boards = ("leaderboard/digits", "leaderboard/digits-audited-*", "benchmarks/variations/*")
    files = [file for folder in boards for file in ROOT.glob(f"{folder}/*.jsonl")]
    opened = list(ROOT.glob("leaderboard/digits-audited-*/seeds.toml"))
    library.load(sorted(files), str(board), seeds_from=opened)
    library.load(sorted((ROOT / "benchmarks/another-processor").glob("*.jsonl")), str(other))
    page.write_text((ROOT / "docs/digits.md").read_text())
    write_page(str(board), page, str(other))
    assert page.read_text() == (ROOT / "docs/digits.md").read_text(), "run `make findings`"
