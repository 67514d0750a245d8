"""Methods that train on more samples than the budget allows are named, with how much more."""

import pytest

from unlearnbench.report.leaderboard import write_leaderboard
from unlearnbench.report.numbers.budget import budget_shares, budget_text, budget_words, over_budget, samples


@pytest.fixture
def counted(small):
    """A budget of 20 samples; `retrain` takes five times as much, `flaky` in a few trials only, all others 20."""
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET backward_samples = 20")
        connection.exec_driver_sql("UPDATE trials SET backward_samples = 100 WHERE submission_key = 'retrain'")
        connection.exec_driver_sql(
            "UPDATE trials SET backward_samples = 900 WHERE submission_key = 'flaky' AND problem_key LIKE 'medium 0.1%'"
        )
        connection.exec_driver_sql("UPDATE trials SET backward_samples = NULL WHERE submission_key = 'oracle'")
    return small


def test_the_median_counts_and_the_budget_itself_is_allowed(counted):
    board = counted.board()
    assert samples(board.suite) == 20
    shares = budget_shares(board.frame, board.suite)
    assert over_budget(shares) == {"retrain": 5.0}
    assert [budget_text(shares[name]) for name in ("good", "retrain", "oracle")] == ["1.00", "5.00 (over)", "-"]
    assert budget_text(1.1) == "1.10"
    assert "20 samples (2 steps x 10)" in budget_words(board.suite)
    assert "takes 100" in budget_words(board.suite)


def test_failed_and_missing_trials_say_nothing_of_it(counted):
    with counted.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET backward_samples = 900 WHERE state = 'failed'")
    board = counted.board()
    assert set(over_budget(budget_shares(board.frame, board.suite))) == {"retrain"}


def test_the_ranking_and_the_pages_say_it(counted, tmp_path):
    write_leaderboard(counted.engine, counted.board(), tmp_path)
    said = "than the budget, by the trials' own count, median over trials: retrain 5.0 times."
    page = (tmp_path / "ranking.md").read_text()
    assert said in page
    (row,) = (line for line in page.split("## Ranking")[1].splitlines() if line.startswith("| - | retrain |"))
    assert row.endswith(" | 5.00 (over) |")
    assert "Samples / budget |" in page
    assert '5.0<span title="over the budget">!</span></td>' in (tmp_path / "site/index.html").read_text()
    assert said.replace("'", "&#39;") in (tmp_path / "site/index.html").read_text()
    assert "5.0 times the budget" in (tmp_path / "site/method-retrain.html").read_text()
    for method in ("good", "flaky", "oracle"):
        assert "times the budget" not in (tmp_path / f"site/method-{method}.html").read_text()


def test_nothing_is_said_where_nobody_exceeds_it(small, tmp_path):
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET backward_samples = 20")
    write_leaderboard(small.engine, small.board(), tmp_path)
    assert "than the budget" not in (tmp_path / "ranking.md").read_text()
    assert "than the budget" not in (tmp_path / "site/index.html").read_text()
