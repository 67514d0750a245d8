"""What the database sums is what the board sums trial by trial."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.small_store import Stored
from unlearnbench.report.numbers.board import Selection
from unlearnbench.report.numbers.standings import read_standings
from unlearnbench.store.trials import SCORES


@pytest.mark.parametrize(
    "selection", [Selection(), Selection(seeds=(1,)), Selection(discovery_rates=(1.0,), corruptions=("class-swap",))]
)
def test_both_ways_to_the_totals_give_the_same(small: Stored, selection: Selection) -> None:
    small.submission("idle", "idle")
    for seed in (0, 1):
        small.problems(cells=[("low", 0.0, seed)])
        small.trial("first", "idle", ("low", 0.0, seed), healed=0.1)
    summed, board = read_standings(small.engine, "small", selection=selection), small.board(selection=selection)
    names = list(board.totals.columns)
    order = ["method", "corruption", "seed"]
    one, other = (totals[names].sort_values(order).reset_index(drop=True) for totals in (summed.totals, board.totals))
    for totals in (one, other):  # only whole seeds are paired by what they started from
        totals["started"] = totals["started"].astype(object).where(totals["whole"], "")
        for name in SCORES:  # the board counts a trial without a forget set once per column, so only means are equal
            count = totals.pop(f"{name}_count")
            totals[name] = totals[name] / count.where(count > 0)
    pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-12)
    assert summed.stale == board.stale
    assert summed.seeds == board.seeds
