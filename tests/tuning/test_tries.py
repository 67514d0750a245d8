"""What a search has found, put in numbers."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from unlearnbench.report.text.tries import cost_line
from unlearnbench.tuning.tries import Choices, Try, choices
from unlearnbench.tuning.tune import as_variant


def test_the_winner_is_a_table_to_paste() -> None:
    best = Try({"rate": 1e-05, "passes": 3, "name": "a", "all": True, "nothing": None}, 0.5, 0.5, 3)
    assert tomllib.loads(as_variant("digits-quick", "default", "blind", best)) == {
        "variants": {"digits_quick": {"rate": 1e-05, "passes": 3, "name": "a", "all": True}}
    }
    assert tomllib.loads(as_variant("digits-quick", "less", "blind", replace(best, hyperparameters={"rate": 0.1}))) == {
        "variants": {"less_digits_quick": {"extends": ["less"], "rate": 0.1}}
    }
    assert "never ranked" in as_variant("digits", "default", "oracle", best)
    assert "oracle" in tomllib.loads(as_variant("digits", "default", "oracle", best))["variants"]


def test_what_the_blind_choice_costs() -> None:
    tries = [
        Try({"a": 0}, 0.3, 0.40, 6, default=True),
        Try({"a": 1}, 0.5, 0.55, 6),
        Try({"a": 2}, 0.4, 0.70, 6, failed=2),
        Try({"a": 3}, 0.9, 0.99, 3, pruned="below the best try on 3 of 3 problems"),
        Try({"a": 4}, 0.0, 0.0, 6, failed=6),
    ]
    found = choices(tries)
    assert (found.default, found.blind, found.oracle) == (0.4, 0.55, 0.7)
    assert found.cost == pytest.approx(15)
    assert choices(tries[3:]) == Choices(None, None, None)
    assert choices(tries[3:]).cost is None
    assert "default 40.0%, blind choice 55.0%, oracle's choice 70.0%; the blind choice costs 15.0 points" in cost_line(
        found
    )
