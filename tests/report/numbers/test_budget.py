"""How much of the budget a method takes is in every ranking, and who takes more is named."""

from io import StringIO

import pandas as pd
import pytest

from tests.report.terminal import printed
from unlearnbench.report.leaderboard import write_leaderboard
from unlearnbench.report.numbers.budget import budget_shares, budget_text, budget_words, over_budget, samples
from unlearnbench.report.numbers.ranking import ranking_of
from unlearnbench.report.numbers.standings import read_standings
from unlearnbench.report.text.rendering import ranking_as


def table_of(stored, by="overall"):
    """What `table --format csv` gives."""
    text = ranking_as("csv", read_standings(stored.engine, "small"), by=by)
    assert isinstance(text, str)
    return pd.read_csv(StringIO(text))


@pytest.fixture
def counted(small):
    """A budget of 20 samples, which `good` takes; `retrain` takes five times as much, `flaky` 20 or 24; `oracle` was
    not counted."""
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET backward_samples = 20")
        connection.exec_driver_sql("UPDATE trials SET backward_samples = 100 WHERE submission_key = 'retrain'")
        connection.exec_driver_sql(
            "UPDATE trials SET backward_samples = 24 WHERE submission_key = 'flaky' AND problem_key LIKE 'medium 0.1%'"
        )
        connection.exec_driver_sql("UPDATE trials SET backward_samples = NULL WHERE submission_key = 'oracle'")
    return small


def test_the_mean_counts_and_a_tenth_more_is_allowed(counted):
    board = counted.board()
    assert samples(board.suite) == 20
    shares = budget_shares(board.totals, board.suite)
    # `flaky` has 6 finished trials, none in a whole seed, and two of them took 24.
    assert shares.round(9).to_dict() == {"flaky": round((4 + 2 * 1.2) / 6, 9), "good": 1, "retrain": 5} | {
        "oracle": pytest.approx(float("nan"), nan_ok=True)
    }
    assert over_budget(ranking_of(board.totals, board.suite)) == {"retrain": 5.0}
    texts = [budget_text(shares[name]) for name in ("good", "flaky", "retrain", "oracle")]
    assert texts == ["1.00", "1.07", "5.00 (over)", "-"]
    assert budget_text(1.1) == "1.10"
    assert "20 samples (2 steps x 10)" in budget_words(board.suite)
    assert "takes 100" in budget_words(board.suite)


def test_failed_and_missing_trials_say_nothing_of_it(counted):
    with counted.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET backward_samples = 900 WHERE state = 'failed'")
    for found in (counted.board(), read_standings(counted.engine, "small")):
        assert set(over_budget(ranking_of(found.totals, found.suite))) == {"retrain"}


def test_every_form_of_the_table_has_the_column(counted):
    standings = read_standings(counted.engine, "small")
    table = table_of(counted).set_index("method")["budget"]
    assert table[["good", "retrain"]].tolist() == [1.0, 5.0]
    assert table[["oracle"]].isna().all()
    (row,) = (line for line in ranking_as("markdown", standings).splitlines() if line.startswith("| - | retrain |"))
    assert row.endswith(" | 5.00! |")
    assert r" & 5.00! \\" in ranking_as("latex", standings)
    lines = printed(*ranking_as("terminal", standings), width=120).splitlines()
    last = {cells[1]: cells[-1] for cells in map(str.split, lines) if len(cells) > 2}
    assert (last["retrain"], last["oracle"]) == ("5.00!", "-")
    assert "Budget: samples in backward passes as a multiple of it; ! marks more than 1.1." in " ".join(
        " ".join(lines).split()
    )


def test_a_corruption_has_a_budget_of_its_own(counted):
    with counted.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE trials SET backward_samples = 40 WHERE submission_key = 'good' AND problem_key LIKE 'high%'"
        )
    table = table_of(counted, by="corruption")
    good = table[table["method"] == "good"].set_index("corruption")["budget"]
    assert good.to_dict() == {"poison-trigger": 2.0, "class-swap": 1.0, "random-swap": 1.0}


@pytest.mark.usefixtures("undrawn")
def test_the_ranking_and_the_pages_say_it(counted, tmp_path):
    write_leaderboard(counted.engine, counted.board(), tmp_path)
    said = "than the budget, by the trials' own count, mean over finished trials: retrain 5.0 times."
    page = (tmp_path / "ranking.md").read_text()
    assert said in page
    (row,) = (line for line in page.split("## Ranking")[1].splitlines() if line.startswith("| - | retrain |"))
    assert row.endswith(" | 5.00! |")
    assert " | Budget |" in page
    assert '5.00<span title="over the budget">!</span></td>' in (tmp_path / "site/small/index.html").read_text()
    assert said.replace("'", "&#39;") in (tmp_path / "site/small/index.html").read_text()
    assert "5.00 times that of the suite, which is" in (tmp_path / "site/small/method-retrain.html").read_text()
    for method in ("good", "flaky", "oracle"):
        assert "of the suite, which is" not in (tmp_path / f"site/small/method-{method}.html").read_text()


@pytest.mark.usefixtures("undrawn")
def test_nothing_is_said_where_nobody_exceeds_it(small, tmp_path):
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET backward_samples = 20")
    write_leaderboard(small.engine, small.board(), tmp_path)
    assert "than the budget" not in (tmp_path / "ranking.md").read_text()
    assert "than the budget" not in (tmp_path / "site/small/index.html").read_text()
