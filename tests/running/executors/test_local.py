"""Runs that share a boundary enter it once, and give what they give alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.submission import NOTHING
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.problems.suite import Suite
from unlearnbench.running.executors.local import shared_boundary
from unlearnbench.running.run import Progress, run_suite
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[Boundary]:
    """The boundaries that were entered, in order."""
    found: list[Boundary] = []
    enter = Boundary.__enter__

    def noted(boundary: Boundary) -> Boundary:
        found.append(boundary)
        return enter(boundary)

    monkeypatch.setattr(Boundary, "__enter__", noted)
    return found


def test_runs_on_other_data_and_suites_share_one_boundary(
    tiny_suite: Suite,
    make_submission: Callable[..., Submission],
    store: Store,
    tmp_path: Path,
    entered: list[Boundary],
) -> None:
    submission = make_submission("nothing", NOTHING)
    suites = [tiny_suite, replace(tiny_suite, name="in-colour", dataset="digits-colour")]
    with shared_boundary() as executor:
        runs = [run_suite(suite, [submission], store, tmp_path, executor=executor) for suite in suites]
        assert entered[0].folder.exists()
    assert [run.ran for run in runs] == [1, 1]
    assert [run.failed for run in runs] == [0, 0]
    assert len(entered) == 1
    assert not entered[0].folder.exists()
    other = replace(tiny_suite, name="alone")
    assert run_suite(other, [submission], store, tmp_path).ran == 0
    assert len(entered) == 2


def test_a_run_that_is_interrupted_closes_the_boundary_before_it_gives_up_its_claims(
    tiny_suite: Suite,
    make_submission: Callable[..., Submission],
    store: Store,
    tmp_path: Path,
    entered: list[Boundary],
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage == "trials":
            raise KeyboardInterrupt

    with shared_boundary() as executor:
        with pytest.raises(KeyboardInterrupt):
            run_suite(
                tiny_suite, [make_submission("nothing", NOTHING)], store, tmp_path, executor=executor, watch=interrupt
            )
        assert not entered[0].folder.exists()
