import pytest

from unlearnbench.report.numbers.board import read_board


@pytest.fixture
def frame(small):
    return read_board(small.engine, "small").frame


@pytest.fixture
def both(small):
    """`small` with `good` on tied dropout as well: better by 10 points healed, but failed in one trial."""
    for regularity in ("low", "medium", "high"):
        for rate in (0.1, 1.0):
            for seed in (0, 1):
                healed = {"low": 0.4, "medium": 0.5, "high": 0.6}[regularity] + 0.2 * seed
                failed = (regularity, rate, seed) == ("medium", 1.0, 0)
                small.trial(
                    "first",
                    "good",
                    (regularity, rate, seed),
                    healed=healed,
                    state="failed" if failed else "finished",
                    training="tied-dropout",
                )
    return read_board(small.engine, "small").frame


@pytest.fixture
def fourth():
    """A second row of low regularity: a corruption with other parameters."""
    return "random-swap/noise"
