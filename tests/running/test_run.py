"""A run as a whole: failures become records, what is stored is not run again, numbers do not depend on company."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.submission import NOTHING, TUNE, written
from tests.tiny import tiny, tiny_toml
from unlearnbench.errors import HarnessError
from unlearnbench.evaluation.metrics import metrics
from unlearnbench.evaluation.predictions import Predictions, unpack
from unlearnbench.problems.case import build
from unlearnbench.problems.datasets import load
from unlearnbench.problems.grid import problems
from unlearnbench.problems.suite import Limits, Suite
from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.text.trials import details, failure_lines
from unlearnbench.running.executors.local import shared_boundary
from unlearnbench.running.run import Progress, RunSummary, run_suite
from unlearnbench.store.schema import OriginalRow, PlannedTrialRow, PredictionRow, RunRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, read

Make = Callable[..., Submission]
FAILURES = {
    "raises": ("raise ValueError('not today')", "raised: ValueError: not today"),
    "hangs": ("while True: time.sleep(1)", "timeout: over 3 s"),
    "deaf": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass", "timeout: over 3 s"),
    "exits": ("sys.exit(0)", "exited: code 0 without a result"),
    "leaves": ("os._exit(3)", "exited: code 3 without a result"),
    "segfaults": ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed: signal 11"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "crashed: signal 9"),
    "none": (
        "return None",
        "invalid weights: unlearn returned None without having asked for a model: return the repaired",
    ),
    "greedy": ("return torch.ones(2**33)", "memory: over 4 GiB"),
    "nan": (
        "model = problem.original()\nmodel.linear.weight.data[0, 0] = float('nan')\nreturn model",
        "invalid weights: 'linear.weight' has values that are not finite",
    ),
    "infinite": (
        "model = problem.original()\nmodel.conv1.norm.running_var[0] = float('inf')\nreturn model",
        "invalid weights: 'conv1.norm.running_var' has values that are not finite",
    ),
    "wide": (
        "return problem.original().expanded()",
        "invalid weights: 'conv1.conv.bias' is torch.float32 (4,) instead of",
    ),
    "other": ("return torch.nn.Linear(2, 2)", "invalid weights: not the original's architecture"),
}


@dataclass(frozen=True)
class Ran:
    folder: Path
    summary: RunSummary
    trials: dict[str, TrialRow]
    predictions: dict[str, PredictionRow]
    """Both by the name of the submission."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All that can happen to a trial, in one run."""
    folder = tmp_path_factory.mktemp("ran")
    orphan = f"pid = os.fork()\nif pid == 0:\n    os.setsid()\n    time.sleep(600)\nopen({str(folder / 'pid')!r}, 'w')"
    bodies = {name: body for name, (body, _) in FAILURES.items()} | {
        "forks": f"{orphan}.write(str(pid))\n{NOTHING}",
        "says": "print('last words')\nsys.exit(1)",
        "good": NOTHING,
        "tune": TUNE,
    }
    submissions = [written(folder / "submissions", name, body) for name, body in bodies.items()]
    submissions.append(written(folder / "submissions", "broken", NOTHING, before="import json.nowhere"))
    submissions.append(written(folder / "submissions", "slow", f"time.sleep(2)\n{NOTHING}", before="time.sleep(2)"))
    with Store(str(folder / "results.db")) as store:
        suite = replace(tiny(), limits=Limits(seconds=3, memory_gib=4))
        summary = run_suite(suite, submissions, store, folder, workers=2)
        with Session(store.engine) as session:
            query = select(SubmissionRow.name, TrialRow, PredictionRow).join_from(TrialRow, SubmissionRow)
            found = session.execute(query.outerjoin(PredictionRow, PredictionRow.trial_key == TrialRow.key)).all()
    return Ran(
        folder,
        summary,
        {name: trial for name, trial, _ in found},
        {name: predictions for name, _, predictions in found if predictions is not None},
    )


def rows(store: Store) -> dict[str, TrialRow]:
    with Session(store.engine) as session:
        query = select(TrialRow, SubmissionRow.name).join(SubmissionRow)
        return {name: trial for trial, name in session.execute(query)}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_a_record_with_its_reason(name: str, ran: Ran) -> None:
    record = ran.trials[name]
    assert (record.state, record.aggregate) == ("failed", None)
    assert (record.reason or "").startswith(FAILURES[name][1]), (record.reason, record.detail)


def test_the_grid_goes_on_after_failures(ran: Ran) -> None:
    assert ran.trials["broken"].reason == "raised: ModuleNotFoundError: No module named 'json.nowhere'"
    finished = {name for name, trial in ran.trials.items() if trial.state == "finished"}
    assert finished == set(ran.predictions) == {"forks", "good", "tune"}
    assert (ran.summary.ran, ran.summary.failed) == (len(ran.trials), len(FAILURES) + 3)


def test_children_of_a_trial_do_not_outlive_it(ran: Ran) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(int((ran.folder / "pid").read_text()), 0)


def test_output_of_a_failed_trial_is_kept(ran: Ran) -> None:
    assert "last words" in (ran.trials["says"].detail or "")


def test_the_import_of_a_submission_is_on_the_clock(ran: Ran) -> None:
    """Its import and `unlearn` together take longer than a trial may, neither alone."""
    assert ran.trials["slow"].reason == "timeout: over 3 s"
    assert (ran.trials["slow"].seconds or 0) >= 3


def test_costs_are_counted(ran: Ran) -> None:
    # 190 retained samples in batches of 50: the fourth batch of a pass has 40.
    assert ran.trials["tune"].forward_samples == ran.trials["tune"].backward_samples == 190


def test_metrics_can_be_computed_again_from_the_stored_predictions(ran: Ran) -> None:
    record, stored = ran.trials["tune"], ran.predictions["tune"]
    assert stored.triggered_test is not None
    predictions = Predictions(unpack(stored.train), unpack(stored.test), unpack(stored.triggered_test))
    dataset = load("digits", ran.folder, train_size=200, test_size=60)
    problem = next(problem for problem, _ in problems(tiny(), dataset) if problem.discovery_rate)
    case = build(problem.case, dataset)
    truth = case.truth
    forget = problem.found(truth)
    again = metrics(predictions, truth, forget, case.test, 0.2)
    assert again.healed_train == record.healed_train
    assert again.healed_test == record.healed_test
    assert again.utility == record.utility
    assert again.aggregate == record.aggregate


def test_a_fault_of_the_harness_is_not_booked_on_the_method(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    submission = make_submission("good", NOTHING)
    run_suite(tiny_suite, [submission], store, tmp_path, workers=1)

    def lose_the_original(progress: Progress) -> None:
        if progress.stage == "trials":
            for file in (tmp_path / "originals").glob("*.safetensors"):
                file.unlink()

    with pytest.raises(HarnessError, match="cannot set up the process"):
        run_suite(
            tiny_suite, [submission, make_submission("second", NOTHING)], store, tmp_path, watch=lose_the_original
        )
    assert set(rows(store)) == {"good"}


def test_a_failure_is_run_again_on_demand_and_stays_visible(
    tiny_suite: Suite, make_submission: Callable[..., Submission], store: Store, tmp_path: Path
) -> None:
    needed = tmp_path / "needed"
    submission = make_submission("needs_a_file", f"open({str(needed)!r})\n{NOTHING}")

    def run(retry_failed: bool = False) -> tuple[int, int, list[tuple[str, int, int]]]:
        done = run_suite(tiny_suite, [submission], store, tmp_path, retry_failed=retry_failed, executor=executor)
        return done.ran, done.failed, [(item.reason[:25], item.trials, item.earlier) for item in done.failures]

    failure = "raised: FileNotFoundError"
    with shared_boundary() as executor:
        assert run() == (1, 1, [(failure, 1, 0)])
        assert run() == (0, 0, [(failure, 1, 1)])
        assert run(retry_failed=True) == (1, 1, [(failure, 1, 0)])
        needed.touch()
        assert run() == (0, 0, [(failure, 1, 1)])
        assert run(retry_failed=True) == (1, 0, [])
        assert run(retry_failed=True) == (0, 0, []), "a finished trial is a result"
    (trial,) = read_board(store.engine, tiny_suite.name).frame.to_dict("records")
    assert trial["state"] == "finished"
    assert trial["earlier"].count(f": {failure}") == 2
    assert failure_lines(pd.DataFrame([trial]), "needs_a_file") == [
        "1 trials failed before they were run again (--detail)"
    ]
    assert trial["earlier"].splitlines()[0] in details(pd.DataFrame([trial]), "needs_a_file")


def test_what_is_stored_is_not_run_again_and_a_changed_submission_is(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    submission = make_submission("tune", TUNE)
    seen: list[Progress] = []
    first = run_suite(tiny_suite, [submission], store, tmp_path, workers=1, watch=seen.append)
    again = run_suite(tiny_suite, [submission], store, tmp_path, workers=1)
    assert (first.ran, again.ran, again.planned) == (1, 0, 1)
    assert seen[-1].done == seen[-1].total == 1
    assert submission.folder is not None
    (submission.folder / "helper.py").write_text("changed = True\n")
    (changed,) = read(submission.folder)
    assert run_suite(tiny_suite, [changed], store, tmp_path, workers=1).ran == 1
    with Session(store.engine) as session:
        assert len(session.scalars(select(TrialRow)).all()) == 2  # the old record stays
        assert len(session.scalars(select(PlannedTrialRow)).all()) == 3
        runs = session.scalars(select(RunRow)).all()
    assert all(run.finished_at and run.versions["torch"] and run.hardware["cores"] for run in runs)


def test_weights_do_not_depend_on_how_many_trials_run_at_once(
    tiny_suite: Suite, make_submission: Make, tmp_path: Path
) -> None:
    suite = replace(tiny_suite, seeds=(0, 1, 2, 3))
    submission = make_submission("tune", TUNE)
    hashes = []
    for workers in (1, 3):
        with Store(str(tmp_path / f"{workers}.db")) as store:
            run_suite(suite, [submission], store, tmp_path / str(workers), workers=workers)
            with Session(store.engine) as session:
                trials = session.scalars(select(TrialRow)).all()
                originals = session.scalars(select(OriginalRow)).all()
        hashes.append(({trial.key: trial.weights_hash for trial in trials}, {row.weights_hash for row in originals}))
        assert len({trial.weights_hash for trial in trials}) == 4
    assert hashes[0] == hashes[1]


def test_a_part_of_the_grid_is_run_and_the_whole_suite_is_stored(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    suite = replace(tiny_suite, discovery_rates=(0.1, 0.5), seeds=(0, 1))
    submissions = [make_submission("good", NOTHING), make_submission("idle", NOTHING)]
    submissions[1] = replace(submissions[1], needs_forget_set=False)
    part = suite.select(seeds=[1], discovery_rates=[0.5])
    assert run_suite(suite, submissions, store, tmp_path, grid=part, workers=1).ran == 2
    assert run_suite(suite, submissions, store, tmp_path, workers=1).ran == 4, "the part is not run again"
    with Session(store.engine) as session:
        assert [run.suite_specification["seeds"] for run in session.scalars(select(RunRow))] == [[0, 1], [0, 1]]
        idle = session.scalars(select(TrialRow).join(SubmissionRow).where(SubmissionRow.name == "idle")).all()
    assert [(trial.healed_discovered, trial.selection_score) for trial in idle] == [(None, None)] * 2
    assert all(trial.healed_undiscovered == trial.healed_train for trial in idle)


def test_a_killed_run_loses_nothing_and_doubles_nothing(make_submission: Make, tmp_path: Path) -> None:
    """It is killed at its third trial, which waits for that."""
    go, suite, database = tmp_path / "go", tmp_path / "tiny.toml", tmp_path / "kill.db"
    wait = f"while len(problem.forget) > 4 and not os.path.exists({str(go)!r}): time.sleep(0.05)\n"
    make_submission("waits", wait + NOTHING)
    suite.write_text(tiny_toml(discovery_rates=[0.1, 0.2, 0.3, 0.4]))
    code = (
        "from pathlib import Path\nfrom unlearnbench.running.run import run_suite\n"
        "from unlearnbench.submissions.finding import read\nfrom unlearnbench.problems.suite_file import parse\n"
        "from unlearnbench.store.store import Store\n"
        f"with Store({str(database)!r}) as store:\n"
        f"    run_suite(parse(Path({str(suite)!r})), read(Path({str(tmp_path / 'submissions' / 'waits')!r})), store,"
        f" Path({str(tmp_path)!r}), workers=1)\n"
    )
    command = [sys.executable, "-c", code]

    def stored() -> dict[str, str]:
        """Read beside the harness, from the first moment on: there may be no file or no table yet."""
        try:
            with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
                return dict(connection.execute("SELECT key, created_at FROM trials"))
        except sqlite3.OperationalError:
            return {}

    process = subprocess.Popen(command)
    deadline = time.monotonic() + 300
    while len(stored()) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = stored()
    assert len(before) == 2
    go.touch()
    subprocess.run(command, check=True, timeout=180)
    after = stored()
    assert len(after) == 4
    assert before.items() <= after.items()
