"""Where new methods would stand on a board."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.small_store import Stored
from unlearnbench.report.numbers.table import read, table_of, write
from unlearnbench.verify.baseline import compared
from unlearnbench.verify.check import compare
from unlearnbench.verify.placing import Placing, placed


@pytest.fixture
def board(small: Stored, tmp_path: Path) -> pd.DataFrame:
    """The trials of `good`, `flaky` (which lacks some) and references, as a file has them."""
    write([table_of(small.engine, small.board())], tmp_path / "board.csv")
    return read(tmp_path / "board.csv")


@pytest.fixture
def current(board: pd.DataFrame) -> pd.DataFrame:
    """`good` run again as `new`, twice as bad, on other originals."""
    rows = board[board["method"] == "good"]
    rows = rows.assign(method="new", submission="new", aggregate=rows["aggregate"] / 2, original_weights_hash="other")
    return compared(rows)


def test_a_new_method_is_placed_among_the_ranked_ones_with_all_of_its_problems(
    board: pd.DataFrame, current: pd.DataFrame
) -> None:
    found = placed(board, current, {"new"})
    good, *others = found.methods
    new = next(item for item in others if item.new)
    assert (good.method, good.new, new.method) == ("good", False, "new")
    assert "flaky" not in [item.method for item in others], "it lacks trials"
    assert found.left_out == ["flaky"]
    assert "oracle" not in [item.method for item in others], "it is not ranked"
    assert new.score == pytest.approx(good.score / 2)
    assert new.corruptions == pytest.approx({name: score / 2 for name, score in good.corruptions.items()})
    assert good.score == pytest.approx(sum(good.corruptions.values()) / len(good.corruptions))


def test_only_the_problems_that_were_run_count(board: pd.DataFrame, current: pd.DataFrame) -> None:
    part = current[current["corruption"] == current["corruption"].iloc[0]].head(1)
    found = {item.method: item for item in placed(board, part, {"new"}).methods}
    assert found["new"].score == pytest.approx(100 * part["aggregate"].iloc[0])
    assert found["good"].score == pytest.approx(200 * part["aggregate"].iloc[0])


def test_a_method_without_a_forget_set_does_not_move_the_others(board: pd.DataFrame, current: pd.DataFrame) -> None:
    """It stands at the first rate, where the board has it, also after both sides were compared."""
    blind = current[current["discovery_rate"] == 0.1].assign(method="blind", submission="blind", once=True)
    both = compare(current.head(0), pd.concat([current, blind]), cost_factor=1.5)
    found = {item.method: item.score for item in placed(board, both.current, {"new", "blind"}).methods}
    assert found["good"] == pytest.approx(2 * found["new"])
    assert found["blind"] == pytest.approx(100 * blind["aggregate"].mean())


def test_a_failed_trial_counts_as_zero(board: pd.DataFrame, current: pd.DataFrame) -> None:
    failed = current.assign(state="failed", aggregate=float("nan"))
    assert placed(board, failed, {"new"}).methods[-1].score == 0.0


def test_there_is_no_place_without_new_methods_or_on_a_board_of_other_problems(
    board: pd.DataFrame, current: pd.DataFrame
) -> None:
    assert placed(board, current, set()) == Placing()
    assert placed(board.assign(problem="another data set"), current, {"new"}) == Placing()
