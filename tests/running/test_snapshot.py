"""What runs is what was planned: files that change during a run, or that are not those of the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.submission import NOTHING
from tests.tiny import tiny_toml
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.outcome import Outcome
from unlearnbench.boundary.request import Request
from unlearnbench.cli import main
from unlearnbench.errors import HarnessError
from unlearnbench.models.weights import Weights
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import RunRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, read
from unlearnbench.submissions.sources import find_package

Make = Callable[..., Submission]

EDITS = """from pathlib import Path
folder = Path({folder!r})
(folder / "method.py").write_text("raise ValueError('edited')")
(folder / "helper.py").write_text("VALUE = 2")
"""


def trials(store: Store) -> list[TrialRow]:
    with Session(store.engine) as session:
        return list(session.scalars(select(TrialRow)))


def test_a_submission_that_is_edited_during_a_run_runs_as_it_was_planned(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    edits = EDITS.format(folder=str(tmp_path / "submissions" / "mine"))
    body = f"{edits}if VALUE != 1: raise ValueError('edited')\n{NOTHING}"
    made = make_submission("mine", body, before="from .helper import VALUE")
    assert made.folder is not None
    (made.folder / "helper.py").write_text("VALUE = 1")
    submissions = read(made.folder)
    suite = replace(tiny_suite, discovery_rates=(0.5, 1.0))
    run_suite(suite, submissions, store, tmp_path, workers=1)
    assert [(trial.state, trial.reason) for trial in trials(store)] == [("finished", None)] * 2
    assert (made.folder / "helper.py").read_text() == "VALUE = 2"
    assert read(made.folder)[0].source_hash != submissions[0].source_hash


def test_files_that_are_not_those_of_the_plan_are_an_error_of_the_harness(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    submission = make_submission("mine", NOTHING)
    assert submission.sources is not None
    other = replace(submission.sources, files={"method.py": b"raise SystemExit(0)\n"})
    with pytest.raises(HarnessError, match=r"submission 'mine' for a trial are not those of the plan \(hash \w{12}\)"):
        run_suite(tiny_suite, [replace(submission, sources=other)], store, tmp_path, workers=1)
    assert trials(store) == []


@pytest.mark.parametrize("when", ["before", "during"])
def test_an_installed_method_that_changes_is_an_error_of_the_harness(
    when: str, tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    file = site / "installed_mine.py"
    file.write_text("")
    monkeypatch.syspath_prepend(str(site))
    found = find_package("installed_mine:Method")
    assert found is not None
    submission = replace(
        make_submission("mine", NOTHING), folder=None, sources=None, entry="installed_mine:Method", source_hash=found[1]
    )
    run = Boundary.run

    def run_and_upgrade(boundary: Boundary, request: Request, reference: Weights, *others: Any) -> Outcome:
        outcome = run(boundary, request, reference, *others)
        if request.original is not None:
            file.write_text("upgraded = True\n")
        return outcome

    if when == "before":
        file.write_text("upgraded = True\n")
    else:
        monkeypatch.setattr(Boundary, "run", run_and_upgrade)
    with pytest.raises(HarnessError, match=r"installed method 'mine' is missing or differs from that of the plan"):
        run_suite(tiny_suite, [submission], store, tmp_path, workers=1)
    assert trials(store) == []


def test_a_suite_that_is_edited_during_a_run_runs_and_is_shown_as_it_was_planned(
    make_submission: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first trial edits it."""
    file = tmp_path / "suites" / "tiny.toml"
    file.parent.mkdir()
    file.write_text(tiny_toml(discovery_rates=[0.5, 1.0]))
    edited = tiny_toml(name="other", budget={"steps": 1, "batch_size": 50, "learning_rate": 0.01})
    make_submission("edits", f"open({str(file)!r}, 'w').write({edited!r})\n{NOTHING}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["run", "tiny", "--submissions", "submissions", "--workers", "1", "--database", "results.db"])
    printed = capsys.readouterr()
    assert ended.value.code == 0, printed.err
    assert file.read_text() == edited
    assert "2 trials run" in printed.out
    assert "unlearnbench leaderboard tiny " in printed.out
    with Store("results.db") as store, Session(store.engine) as session:
        (run,) = session.scalars(select(RunRow))
    assert (run.suite, run.suite_specification["budget"]["steps"]) == ("tiny", 4)
