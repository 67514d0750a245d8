"""A search that is interrupted goes on where it was, and ends the same."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.tuning.conftest import Landscape
from tests.tuning.landscape import SIX, WIDE, goal
from unlearnbench.problems.suite import Suite
from unlearnbench.report.numbers.tunings import read_tunings
from unlearnbench.report.text.rendering import tunings_as
from unlearnbench.running.run import Progress
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission
from unlearnbench.tuning.tries import Try
from unlearnbench.tuning.tune import SPREAD, tune

DEFAULT = 6
"""Trials of the first try: 2 seeds x 3 rates."""


def outcome(tries: list[Try]) -> list[Try]:
    """Without what a clock measured."""
    return [replace(item, processor_seconds=None) for item in tries]


def test_an_interrupted_search_goes_on_and_ends_the_same(
    suite: Suite, submission: Submission, tmp_path: Path, landscape: Landscape
) -> None:
    ran = landscape(goal)
    six, wide = replace(suite, tuning=SIX), replace(submission, search=WIDE)
    with Store(str(tmp_path / "whole.db")) as store:
        whole = tune(six, wide, store, tmp_path, workers=2)
    uninterrupted = sorted(ran)
    for after, workers in ((1, 1), (9, 1), (25, 3)):
        ran.clear()

        def watch(progress: Progress, after: int = after) -> None:
            if len(ran) >= after and progress.done:
                raise KeyboardInterrupt

        with Store(str(tmp_path / f"{after}.db")) as store:
            before = set(threading.enumerate())
            with pytest.raises(KeyboardInterrupt):
                tune(six, wide, store, tmp_path, workers=workers, watch=watch)
            for thread in set(threading.enumerate()) - before:
                thread.join()  # what was at a trial may only now have noted it as run
            with Session(store.engine) as session:
                stored = set(session.scalars(select(TrialRow.key)))
            assert 0 < len(stored) < len(uninterrupted)
            shown = tunings_as("markdown", store.engine, suite.name)
            assert f"of {SIX.tries} |" in str(shown)
            assert "was interrupted, or its space has no more settings" in str(shown)
            ran.clear()
            assert outcome(tune(six, wide, store, tmp_path, workers=workers)) == outcome(whole)
            assert sorted(stored | set(ran)) == uninterrupted
            assert not stored & set(ran), "nothing was run again"
            assert len(ran) == len(set(ran))


def test_a_search_that_ends_between_two_stages_has_unfinished_tries_and_no_pruned_ones(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape
) -> None:
    ran = landscape(goal)
    six, wide = replace(suite, tuning=SIX), replace(submission, search=WIDE)

    def watch(progress: Progress) -> None:
        if len(ran) > DEFAULT and progress.done == progress.total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(six, wide, store, tmp_path, workers=1, watch=watch)
    assert len(ran) == DEFAULT + SPREAD, "the first stage of the first tries is whole"
    (row,) = read_tunings(store.engine, suite.name)
    assert [(item.default, item.pruned) for item in row.tries] == [(True, None)]
    assert row.unfinished == SPREAD
