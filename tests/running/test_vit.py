"""Every shipped submission repairs transformers too, behind the boundary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from unlearnbench.problems.suite import Model, Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import SubmissionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, discover

FOLDER = Path(__file__).parents[2] / "submissions"


SHIPPED = [item for item in discover(FOLDER) if item.folder is not None]
DEFAULTS = list({item.name: item for item in reversed(SHIPPED)}.values())
"""The first variant of each."""


@pytest.mark.parametrize(
    ("architecture", "submissions"),
    [
        pytest.param("vit", DEFAULTS, id="vit"),
        pytest.param("vit-small", SHIPPED, id="vit-small", marks=pytest.mark.slow),
    ],
)
def test_every_submission_works_on_a_transformer(
    tiny_suite: Suite,
    store: Store,
    tmp_path: Path,
    architecture: Literal["vit", "vit-small"],
    submissions: list[Submission],
) -> None:
    recipe = replace(tiny_suite.recipe, optimizer="adam", peak_learning_rate=1e-3)
    suite = replace(tiny_suite, model=Model(architecture, width=0.125), recipe=recipe)
    run_suite(suite, submissions, store, tmp_path, workers=2)
    with Session(store.engine) as session:
        query = select(SubmissionRow.name, TrialRow.state, TrialRow.reason).join(
            SubmissionRow, SubmissionRow.key == TrialRow.submission_key
        )
        records = [tuple(row) for row in session.execute(query)]
    assert len(records) == len(submissions)
    assert [record for record in records if record[1] != "finished"] == []
