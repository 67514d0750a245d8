"""A trial in the process of a debugger ends as it would in a run."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.submission import TUNE
from tests.tiny import tiny_toml
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.results import planned_trials
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, read
from unlearnbench.verify.debug import debug


def test_the_metrics_and_counts_are_those_of_a_run(
    tiny_suite: Suite, make_submission: Callable[..., Submission], store: Store, tmp_path: Path
) -> None:
    submission = make_submission("tunes_here", f"torch.rand(1)\n{TUNE}")
    run = run_suite(tiny_suite, [submission], store, tmp_path, workers=1)
    (trial,) = planned_trials(store.engine, [run.run_id])
    found, record = debug(tiny_suite, tiny_suite, submission, tmp_path), trial.record
    assert found.metrics is not None
    assert record is not None
    assert (found.reason, found.error) == (None, None)
    assert (found.metrics.aggregate, found.metrics.utility) == (record.aggregate, record.utility)
    assert found.backward_samples == record.backward_samples == 190
    assert found.forward_samples == record.forward_samples


def test_a_failure_has_the_reason_of_a_run_and_a_traceback_that_begins_in_the_submission(
    tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path
) -> None:
    submission = make_submission("raises_here", "raise ValueError('not today')")
    found = debug(tiny_suite, tiny_suite, submission, tmp_path)
    assert (found.reason, found.metrics) == ("raised: ValueError: not today", None)
    assert found.error is not None
    assert submission.folder is not None
    frames = traceback.extract_tb(found.error.__traceback__)
    assert [Path(frame.filename) for frame in frames] == [submission.folder / "method.py"]
    other = debug(tiny_suite, tiny_suite, make_submission("none_here", "return None"), tmp_path)
    assert other.reason == (
        "invalid weights: unlearn returned None without having asked for a model: return the repaired model or its"
        " state_dict"
    )


def test_a_method_without_a_forget_set_is_run_on_the_problem_without_one(
    tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path
) -> None:
    submission = make_submission("blind_here", "assert len(problem.forget) == 0\nreturn problem.original()")
    found = debug(tiny_suite, tiny_suite, replace(submission, needs_forget_set=False), tmp_path)
    assert found.reason is None
    assert found.metrics is not None
    assert found.metrics.healed_discovered is None


@pytest.mark.parametrize(("keys", "code", "words"), [("p 'for' + 'ty'\nc\n", 0, "aggregate"), ("q\n", 130, "Stopped.")])
def test_the_debugger_stops_where_the_code_says(
    keys: str, code: int, words: str, make_submission: Callable[..., Submission], tmp_path: Path
) -> None:
    make_submission("stops_here", "breakpoint()\nreturn problem.original()")
    (tmp_path / "tiny.toml").write_text(tiny_toml())
    command = [
        sys.executable,
        "-c",
        "import sys; from unlearnbench.cli import main; main(sys.argv[1:])",
        "debug",
        "stops_here",
        "--suite",
        "tiny.toml",
    ]
    command += ["--corruption", "poison-trigger", "--rate", "0.5"]
    answer = subprocess.run(command, cwd=tmp_path, input=keys, capture_output=True, text=True)
    assert answer.returncode == code, answer.stderr
    assert words in answer.stdout + answer.stderr
    assert ("forty" in answer.stdout) == (code == 0)
    assert str(tmp_path / "submissions/stops_here/method.py") in answer.stdout
    assert not list(tmp_path.rglob("*.db"))


def test_vendored_code_is_imported_by_its_own_name_in_debugging_and_in_a_run(
    tiny_suite: Suite, make_submission: Callable[..., Submission], store: Store, tmp_path: Path
) -> None:
    body = "import forgetlib\nprint(forgetlib.NAME)\nreturn problem.original()"
    folder = make_submission("vendoring", body).folder
    assert folder is not None
    (folder / "vendor" / "forgetlib").mkdir(parents=True)
    (folder / "vendor" / "forgetlib" / "__init__.py").write_text("from forgetlib.names import NAME")
    (folder / "vendor" / "forgetlib" / "names.py").write_text("NAME = 'a copy'")
    (submission,) = read(folder)
    assert debug(tiny_suite, tiny_suite, submission, tmp_path).reason is None
    run = run_suite(tiny_suite, [submission], store, tmp_path, workers=1)
    (trial,) = planned_trials(store.engine, [run.run_id])
    assert trial.record is not None
    assert (trial.record.reason, trial.record.detail) == (None, "a copy\n")
