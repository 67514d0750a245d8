"""The page of the plane: tables between prose, figures beside it."""

from pathlib import Path

import pytest

from unlearnbench import library
from unlearnbench.report.plane import scores_markdown, write_page

ROOT = Path(__file__).parents[2]


def test_a_row_says_what_to_expect_without_knowing_the_corruption(measured):
    frame = measured.board().frame
    there = frame[(frame["method"] == "good") & (frame["discovery_rate"] == 0.1)]
    own = 100 * there.groupby("corruption")["aggregate"].mean()
    (row,) = [line for line in scores_markdown(measured.board()).splitlines() if line.startswith("| good |")]
    assert row.split("|")[4].strip().startswith(f"{own.mean():.1f}")
    assert row.split("|")[5].strip() == f"{own.min():.1f} on {own.idxmin()}"


@pytest.mark.slow
def test_the_page_is_that_of_the_committed_board(tmp_path: Path) -> None:
    page = tmp_path / "plane.md"
    page.write_text((ROOT / "docs/plane.md").read_text())
    library.load(sorted((ROOT / "leaderboard/digits-plane").glob("*.jsonl")), str(tmp_path / "board.db"))
    written = write_page(str(tmp_path / "board.db"), "digits-plane", page)
    assert page.read_text() == (ROOT / "docs/plane.md").read_text(), "run `make plane`"
    assert [path.name for path in written[1:]] == [f"plane-{name}.png" for name in ("cells", "winners", "regularity")]
