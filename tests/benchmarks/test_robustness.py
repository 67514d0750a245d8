"""A board under other scores and budgets, by hand: two methods, two corruptions' cells at 10% and 100%, one failure."""

from __future__ import annotations

import pandas as pd

from benchmarks.robustness import by_budget, by_score
from tests.small_store import CELLS, Stored


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
    table = by_budget({"one": stored.board(), "two": stored.board("double")})
    assert table.to_dict() == {"one": {"careful": "50.0"}, "two": {"careful": "75.0"}}
