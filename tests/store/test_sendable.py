"""What a run stores, others can load."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from unlearnbench.errors import UsageError
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.store.row_types import check_sendable
from unlearnbench.store.schema import RunRow, SubmissionRow


def run(**changes: Any) -> RunRow:
    values: dict[str, Any] = {
        **{"id": 32 * "0", "suite": "tiny", "suite_specification": {"title": "Tiny"}, "data_fingerprint": 64 * "0"},
        **{"protocol_version": PROTOCOL_VERSION, "started_at": datetime(2026, 2, 3), "finished_at": None},
        **{"versions": {}, "hardware": {}, "precision": "float32", "isolation": "process", "workers": 1},
        "revision": None,
    }
    return RunRow(**values | changes)


def submission(**changes: Any) -> SubmissionRow:
    values: dict[str, Any] = {
        **{"key": 64 * "0", "name": "mine", "variant": "default", "title": "Mine", "authors": ["A"], "paper": ""},
        **{"license": "Apache-2.0", "role": "ranked", "needs_corrupted_indices": False, "hyperparameters": {}},
        "source_hash": 64 * "0",
    }
    return SubmissionRow(**values | changes)


@dataclass(frozen=True)
class Fault:
    row: RunRow | SubmissionRow
    words: str


FAULTS = [
    Fault(submission(title="a\nb"), r"^it: title: must not have characters that cannot be printed"),
    Fault(submission(paper=3000 * "x"), "^it: paper: .*2000 characters"),
    Fault(submission(authors=["\x1b[31m"]), r"^it: authors\.0: must not have characters"),
    Fault(submission(hyperparameters={"rate": float("inf")}), "^it: hyperparameters: must have finite numbers"),
    Fault(run(suite_specification={"title": 3000 * "x"}), "^it: suite_specification: must not have texts of more than"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.words)
def test_what_others_refuse_is_refused(fault: Fault) -> None:
    with pytest.raises(UsageError, match=fault.words):
        check_sendable(fault.row, "it")


def test_a_clock_that_is_ahead_stops_no_run() -> None:
    """The time of a run on a shared store is that of the server, and this machine may be behind."""
    check_sendable(run(), "it")
    check_sendable(run(started_at=datetime.now() + timedelta(days=1)), "it")
    check_sendable(submission(), "it")
