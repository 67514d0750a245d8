"""What the database sums is what the board sums trial by trial."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from sqlalchemy import event

from tests.small_store import CELLS, Stored
from unlearnbench.report.numbers.board import Selection
from unlearnbench.report.numbers.budget import budget_shares
from unlearnbench.report.numbers.standings import read_standings
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.trials import SUMS


@pytest.mark.parametrize(
    "selection", [Selection(), Selection(seeds=(1,)), Selection(discovery_rates=(1.0,), corruptions=("class-swap",))]
)
def test_both_ways_to_the_totals_give_the_same(small: Stored, selection: Selection) -> None:
    small.submission("idle", "idle")
    for seed in (0, 1):
        small.problems(cells=[("low", 0.0, seed)])
        small.trial("first", "idle", ("low", 0.0, seed), healed=0.1)
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET backward_samples = 20 * rowid")  # of failed trials too
    summed, board = read_standings(small.engine, "small", selection=selection), small.board(selection=selection)
    names = list(board.totals.columns)
    order = ["method", "corruption", "seed"]
    one, other = (totals[names].sort_values(order).reset_index(drop=True) for totals in (summed.totals, board.totals))
    for totals in (one, other):  # only whole seeds are paired by what they started from
        totals["started"] = totals["started"].astype(object).where(totals["whole"], "")
        for name in SUMS:  # the board counts a trial without a forget set once per column, so only means are equal
            count = totals.pop(f"{name}_count")
            totals[name] = totals[name] / count.where(count > 0)
    pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-12)
    assert summed.stale == board.stale
    assert summed.seeds == board.seeds
    shares = [budget_shares(totals, board.suite) for totals in (summed.totals, board.totals)]
    pd.testing.assert_series_equal(*shares, rtol=1e-12)
    assert shares[0].nunique() > 1


def test_all_that_is_summed_is_in_the_index(small: Stored) -> None:
    """So no trial is read; its key, too, only where a run planned what another one recorded."""
    queries = list[str]()

    @event.listens_for(small.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        queries.append(statement)

    read_standings(small.engine, "small")
    (sums,) = (query for query in queries if "sum(" in query)
    used = set(re.findall(r"\btrials\.(\w+)", sums))
    (index,) = (item for item in TrialRow.__table__.indexes if item.name == "ix_trials_sums")  # type: ignore[attr-defined]
    assert "backward_samples" in used
    assert used <= {"key", *index.columns.keys()}


def test_a_board_of_references_without_an_oracle_has_totals(stored: Stored) -> None:
    stored.run("first")
    stored.problems()
    stored.submission("retrain", "retrain", role="reference")
    for cell in CELLS:
        stored.trial("first", "retrain", cell)
    totals = read_standings(stored.engine, "small").totals
    assert totals["recorded"].sum() == len(CELLS)
    assert not totals["beyond"].any()
