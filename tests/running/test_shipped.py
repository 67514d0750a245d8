"""Every submission that ships finishes behind the real boundary.

All three corruptions for each of 60 variants would take longer than any other test; a method does not know which it
repairs, so the variants take turns. The committed boards ran every method on all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import ProblemRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, discover
from unlearnbench.verify.validate import TINY

SHIPPED = [item for item in discover(Path(__file__).parents[2] / "submissions") if item.folder is not None]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str, str | None]]]:
    """By submission and variant: corruption, state and reason of its trial."""
    folder = tmp_path_factory.mktemp("shipped")
    with Store(str(folder / "store.db")) as store:
        for place, corruption in enumerate(TINY.corruptions):
            suite = replace(TINY, name=corruption, corruptions=(corruption,))
            run_suite(suite, SHIPPED[place::3], store, folder, workers=2)
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


@pytest.mark.parametrize(("place", "item"), [pytest.param(*pair, id=pair[1].label) for pair in enumerate(SHIPPED)])
def test_it_finishes(place: int, item: Submission, records: dict[str, list[tuple[str, str, str | None]]]) -> None:
    assert records[f"{item.name}/{item.variant}"] == [(TINY.corruptions[place % 3], "finished", None)]
