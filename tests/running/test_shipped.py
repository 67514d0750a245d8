"""Every submission that ships finishes behind the real boundary, every variant on every kind of corruption."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import ProblemRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import discover
from unlearnbench.verify.validate import TINY

SHIPPED = [item for item in discover(Path(__file__).parents[2] / "submissions") if item.folder is not None]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str, str | None]]]:
    """By submission and variant: corruption, state and reason of each trial. One run, so originals are shared."""
    folder = tmp_path_factory.mktemp("shipped")
    with Store(str(folder / "store.db")) as store:
        run_suite(TINY, SHIPPED, store, folder, workers=2)
        with Session(store.engine) as session:
            query = (
                select(
                    SubmissionRow.name, SubmissionRow.variant, ProblemRow.corruption, TrialRow.state, TrialRow.reason
                )
                .join(SubmissionRow, SubmissionRow.key == TrialRow.submission_key)
                .join(ProblemRow, ProblemRow.key == TrialRow.problem_key)
            )
            found: dict[str, list[tuple[str, str, str | None]]] = {}
            for name, variant, corruption, state, reason in session.execute(query):
                found.setdefault(f"{name}/{variant}", []).append((corruption, state, reason))
    return found


@pytest.mark.parametrize("label", [f"{item.name}/{item.variant}" for item in SHIPPED])
def test_it_finishes_everywhere(label: str, records: dict[str, list[tuple[str, str, str | None]]]) -> None:
    assert sorted(records[label]) == [
        ("class-swap", "finished", None),
        ("poison-trigger", "finished", None),
        ("random-swap", "finished", None),
    ]
