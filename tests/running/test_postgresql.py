"""A suite run on PostgreSQL by two harnesses at once, read, checked, and merged into a file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from pandas.testing import assert_frame_equal
from sqlalchemy import func, select
from sqlalchemy.orm import Session

import unlearnbench
from unlearnbench.problems.suite import Suite
from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.running.run import RunSummary, run_suite
from unlearnbench.store.origins import listed
from unlearnbench.store.schema import PlannedTrialRow, RunRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission
from unlearnbench.verify.recompute import recompute


def test_two_harnesses_share_a_database(
    tiny_suite: Suite, make_submission: Callable[..., Submission], postgresql: str, tmp_path: Path
) -> None:
    suite = replace(tiny_suite, discovery_rates=(0.5, 1.0))
    methods = [make_submission("good", "return problem.original()"), make_submission("bad", "raise ValueError('no')")]
    barrier = threading.Barrier(2)

    def harness(number: int) -> RunSummary:
        barrier.wait()
        with Store(postgresql) as store:
            return run_suite(suite, methods[:: 1 - 2 * number], store, tmp_path / str(number), workers=1)

    with ThreadPoolExecutor(2) as pool:
        done = [future.result() for future in [pool.submit(harness, number) for number in range(2)]]
    assert [item.planned for item in done] == [4, 4]
    absorbed = [[line for line in item.warnings if "did not absorb" in line] for item in done]
    assert absorbed[0] == absorbed[1] != []

    with Store(postgresql) as store:
        with Session(store.engine) as session:
            counts = [session.scalar(select(func.count()).select_from(table)) for table in (RunRow, PlannedTrialRow)]
            assert counts == [2, 8]
            assert sorted(session.scalars(select(TrialRow.state))) == ["failed", "failed", "finished", "finished"]
            assert all(session.scalars(select(RunRow.finished_at)))
        checked = recompute(store, tmp_path)
        assert (checked.trials, checked.differences) == (2, ())
        again = run_suite(suite, methods, store, tmp_path / "0", workers=1)
        assert (again.planned, again.ran) == (4, 0)
        frame = read_board(store.engine, "tiny").frame
        table = ranking(frame).set_index("method")
        assert table.loc[["bad"], ["aggregate", "failed"]].to_numpy().tolist() == [[0, 2]]
    merged = str(tmp_path / "merged.db")
    (found,) = unlearnbench.merge([postgresql], merged, data=tmp_path).values()
    assert found.added["trials"] == 4
    with Store(merged) as file:
        assert_frame_equal(read_board(file.engine, "tiny").frame, frame)
        (origin,) = listed(file.engine)
        assert (origin.sha256, origin.verified, origin.records) == (None, True, 4)
        assert origin.name.startswith("postgresql+psycopg://")
    (back,) = unlearnbench.merge([merged], postgresql, data=tmp_path).values()
    assert (back.added.total(), back.conflicts) == (0, ())
