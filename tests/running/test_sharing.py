"""Harnesses on one store share its trials; what ends one leaves the rest to the others."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from unlearnbench.errors import HarnessError
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import RunSummary, run_suite
from unlearnbench.running.sharing import attempt_all
from unlearnbench.store.schema import ClaimRow, PlannedTrialRow, RunRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission

Make = Callable[..., Submission]


def test_two_harnesses_run_each_trial_once_and_both_return_when_all_are_stored(
    tiny_suite: Suite, make_submission: Make, database: str, tmp_path: Path
) -> None:
    note = tmp_path / "ran"
    body = (
        f"with open({str(note)!r}, 'a') as file: file.write(str(len(problem.forget)) + '\\n')\n"
        "time.sleep(0.3)\nreturn problem.original()"
    )
    suite = replace(tiny_suite, discovery_rates=(0.2, 0.4, 0.6, 0.8, 1.0))
    submission = make_submission("notes", body)

    def run(_: int) -> RunSummary:
        with Store(database) as store:
            return run_suite(suite, [submission], store, tmp_path / "data", workers=1)

    with ThreadPoolExecutor(2) as pool:
        summaries = list(pool.map(run, range(2)))
    assert Counter(note.read_text().split()) == {"4": 1, "8": 1, "12": 1, "16": 1, "20": 1}
    assert sum(summary.ran for summary in summaries) == 5
    assert [summary.planned for summary in summaries] == [5, 5]
    with Store(database) as store, Session(store.engine) as session:
        counted = [session.scalar(select(func.count()).select_from(kind)) for kind in (TrialRow, PlannedTrialRow)]
        assert counted == [5, 10]
        assert session.scalar(select(func.count()).select_from(ClaimRow)) == 0
        assert all(row.finished_at and row.finished_at > row.started_at for row in session.scalars(select(RunRow)))


def test_an_item_that_another_harness_has_claimed_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearnbench.running.sharing.PAUSE", 0.01)
    asked: Counter[str] = Counter()
    beats: list[int] = []

    def attempt(item: str) -> str | None:
        asked[item] += 1
        return item.upper() if item != "b" or asked["b"] == 3 else None

    with ThreadPoolExecutor(2) as pool:
        results = list(attempt_all(pool, [[["a", "b", "c"]]], attempt, beats.append, workers=2))
    assert sorted(results) == [("a", "A"), ("b", "B"), ("c", "C")]
    assert results[-1] == ("b", "B")
    assert asked == {"a": 1, "b": 3, "c": 1}
    assert len(beats) >= 5
    assert set(beats) == {0, 1}  # how many are claimed elsewhere


def test_a_run_that_fails_ends_its_claims(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere")

    submission = make_submission("nothing", "return problem.original()")
    with monkeypatch.context() as patch:
        patch.setattr("unlearnbench.running.executors.local.run_trial", full)
        with pytest.raises(HarnessError, match=r"No space left on device: '/somewhere'; stored trials are kept"):
            run_suite(tiny_suite, [submission], store, tmp_path, workers=1)
    with Session(store.engine) as session:
        assert session.scalars(select(ClaimRow)).all() == []
        assert session.scalars(select(TrialRow)).all() == []
    assert run_suite(tiny_suite, [submission], store, tmp_path, workers=1).ran == 1


def over_quota(*arguments: int) -> NoReturn:
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def test_a_trial_that_failed_on_a_full_disk_is_no_record(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = make_submission("fails", "raise OSError(28, 'No space left on device')")
    with monkeypatch.context() as patch:
        patch.setattr("os.posix_fallocate", over_quota)
        with pytest.raises(HarnessError, match=r"cannot write \d+ bytes to .* \(Disk quota exceeded\): free some"):
            run_suite(tiny_suite, [fails], store, tmp_path, workers=1)
    assert run_suite(tiny_suite, [fails], store, tmp_path, workers=1).failed == 1
