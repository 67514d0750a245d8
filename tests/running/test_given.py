"""Labels that came with the data: a table of what was planted gives the records of what was planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.submission import TUNE
from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import digits, load_for
from unlearnbench.problems.grid import problems
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.row_types import METRICS
from unlearnbench.store.schema import PredictionRow, ProblemRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission
from unlearnbench.verify.recompute import recompute


def test_a_table_of_what_was_planted_gives_the_records_of_the_planted(
    tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path
) -> None:
    planted = replace(tiny_suite, corruptions=("random-swap",), train_size=None)
    truth = next(problem for problem, _ in problems(planted, load_for(planted, tmp_path))).case.corrupted_set(digits())
    rows = [f"{place},{truth.labels[place]},{truth.true_labels[place]}\n" for place in truth.corrupted]
    (tmp_path / "labels.csv").write_text("index,given,true\n" + "".join(rows))
    given = replace(planted, corruptions=("given",), label_table="labels.csv")
    submission, found = make_submission("tune", TUNE), []
    for suite in (planted, given):
        store = Store(str(tmp_path / f"{suite.corruptions[0]}.db"))
        run_suite(suite, [submission], store, tmp_path, workers=1)
        with Session(store.engine) as session:
            trial = session.scalars(select(TrialRow)).one()
            problem = session.scalars(select(ProblemRow).where(ProblemRow.key == trial.problem_key)).one()
            predicted = session.scalars(select(PredictionRow)).one()
        assert trial.state == "finished"
        same = ("weights_hash", "original_weights_hash", "backward_samples", *METRICS)
        numbers = {name: getattr(trial, name) for name in same} | {"corrupted": problem.corrupted}
        found.append((numbers, problem.discovered, problem.training_fingerprint, predicted.train, predicted.test))
        assert recompute(store, tmp_path).differences == (), "the table is found again by its name"
    assert found[0] == found[1]
    with pytest.raises(UsageError, match="read with a table of labels, and which one to read is not for others to say"):
        recompute(store, tmp_path, ours=False)
