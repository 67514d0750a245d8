"""A run as a whole: failures become records, what is stored is not run again, numbers do not depend on company."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.evaluation.metrics import metrics
from unlearnbench.evaluation.predictions import Predictions, unpack
from unlearnbench.problems.datasets import load
from unlearnbench.problems.grid import problems
from unlearnbench.problems.suite import Limits, Model, Originals, Suite
from unlearnbench.running.run import Progress, run_suite
from unlearnbench.store.schema import OriginalRow, PlannedTrialRow, PredictionRow, RunRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission

Make = Callable[..., Submission]
NOTHING = "return problem.original()"
TUNE = """model = problem.original()
optimizer = problem.optimizer(model)
for batch in problem.retain.batches(problem.budget.steps):
    loss = torch.nn.functional.cross_entropy(model(batch.images), batch.labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
return model"""

FAILURES = {
    "raises": ("raise ValueError('not today')", "raised: ValueError: not today"),
    "hangs": ("while True: time.sleep(1)", "timeout: over 3 s"),
    "deaf": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass", "timeout: over 3 s"),
    "exits": ("sys.exit(0)", "exited: code 0 without a result"),
    "leaves": ("os._exit(3)", "exited: code 3 without a result"),
    "segfaults": ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed: signal 11"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "crashed: signal 9"),
    "none": ("return None", "invalid weights: unlearn returned NoneType, not a model"),
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


def rows(store: Store) -> dict[str, TrialRow]:
    with Session(store.engine) as session:
        query = select(TrialRow, SubmissionRow.name).join(SubmissionRow)
        return {name: trial for trial, name in session.execute(query)}


def test_every_failure_is_a_record_with_its_reason_and_the_grid_goes_on(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    suite = replace(tiny_suite, limits=Limits(seconds=3, memory_gib=4))
    submissions = [make_submission(name, body) for name, (body, _) in FAILURES.items()]
    submissions.append(make_submission("broken", NOTHING, before="import nowhere"))
    submissions.append(make_submission("good", NOTHING))
    summary = run_suite(suite, submissions, store, tmp_path, workers=2)
    records = rows(store)
    for name, (_, reason) in FAILURES.items():
        assert records[name].state == "failed", name
        assert (records[name].reason or "").startswith(reason), (name, records[name].reason, records[name].detail)
        assert records[name].aggregate is None
    assert records["broken"].reason == "raised: ModuleNotFoundError: No module named 'nowhere'"
    assert records["good"].state == "finished"
    assert (summary.ran, summary.failed) == (len(submissions), len(submissions) - 1)


def test_children_of_a_trial_do_not_outlive_it(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    note = tmp_path / "orphan"
    body = f"pid = os.fork()\nif pid == 0:\n    os.setsid()\n    time.sleep(600)\nopen('{note}', 'w').write(str(pid))\n"
    run_suite(tiny_suite, [make_submission("forks", body + NOTHING)], store, tmp_path, workers=1)
    assert rows(store)["forks"].state == "finished"
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_output_of_a_failed_trial_is_kept(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    run_suite(tiny_suite, [make_submission("says", "print('last words')\nsys.exit(1)")], store, tmp_path, workers=1)
    assert "last words" in (rows(store)["says"].detail or "")


def test_the_clock_starts_at_the_first_line_of_unlearn(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    suite = replace(tiny_suite, limits=Limits(seconds=3, memory_gib=4))
    slow = make_submission("slow", "time.sleep(2)\n" + NOTHING, before="time.sleep(2)")
    run_suite(suite, [slow], store, tmp_path, workers=1)
    record = rows(store)["slow"]
    assert record.state == "finished"
    assert record.seconds is not None
    assert 2 <= record.seconds < 2.9


def test_a_fault_of_the_harness_is_not_booked_on_the_method(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = make_submission("good", NOTHING)
    run_suite(tiny_suite, [submission], store, tmp_path, workers=1)
    monkeypatch.setattr("unlearnbench.running.run.path_of", lambda cache, key: tmp_path / "gone")
    other = make_submission("second", NOTHING)
    with pytest.raises(HarnessError, match="could not be set up"):
        run_suite(tiny_suite, [submission, other], store, tmp_path, workers=1)
    assert set(rows(store)) == {"good"}


def test_what_is_stored_is_not_run_again_and_a_changed_submission_is(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    submission = make_submission("tune", TUNE)
    seen: list[Progress] = []
    first = run_suite(tiny_suite, [submission], store, tmp_path, workers=1, watch=seen.append)
    again = run_suite(tiny_suite, [submission], store, tmp_path, workers=1)
    assert (first.ran, again.ran, again.planned) == (1, 0, 1)
    assert seen[-1].done == seen[-1].total == 1
    changed = replace(submission, source_hash="f" * 64)
    assert run_suite(tiny_suite, [changed], store, tmp_path, workers=1).ran == 1
    with Session(store.engine) as session:
        assert len(session.scalars(select(TrialRow)).all()) == 2  # the old record stays
        assert len(session.scalars(select(PlannedTrialRow)).all()) == 3
        runs = session.scalars(select(RunRow)).all()
    assert all(run.finished_at and run.versions["torch"] and run.hardware["cores"] for run in runs)


def test_weights_do_not_depend_on_how_many_trials_run_at_once(
    tiny_suite: Suite, make_submission: Make, tmp_path: Path
) -> None:
    suite = replace(tiny_suite, discovery_rates=(0.2, 0.4, 0.6, 0.8))
    submission = make_submission("tune", TUNE)
    hashes = []
    for workers in (1, 3):
        with Store(str(tmp_path / f"{workers}.db")) as store:
            run_suite(suite, [submission], store, tmp_path / str(workers), workers=workers)
            with Session(store.engine) as session:
                trials = session.scalars(select(TrialRow)).all()
                originals = session.scalars(select(OriginalRow)).all()
        hashes.append(({trial.key: trial.weights_hash for trial in trials}, [row.weights_hash for row in originals]))
        assert len({trial.weights_hash for trial in trials}) == 4
    assert hashes[0] == hashes[1]


def test_metrics_can_be_computed_again_from_the_stored_predictions(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    run_suite(tiny_suite, [make_submission("tune", TUNE)], store, tmp_path, workers=1)
    record = rows(store)["tune"]
    with Session(store.engine) as session:
        stored = session.scalars(select(PredictionRow)).one()
    assert stored.triggered_test is not None
    predictions = Predictions(unpack(stored.train), unpack(stored.test), unpack(stored.triggered_test))
    dataset = load("digits", tmp_path, train_size=200, test_size=60)
    problem = next(problem for problem, _ in problems(tiny_suite, dataset) if problem.discovery_rate)
    truth = problem.case.corrupted_set(dataset)
    forget = problem.forget_positions(truth.corrupted)
    again = metrics(predictions, truth, forget, problem.case.rules, dataset.test_labels.numpy(), 0.2)
    assert again.healed_train == record.healed_train
    assert again.healed_test == record.healed_test
    assert again.utility == record.utility
    assert again.aggregate == record.aggregate


def test_costs_are_counted(tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path) -> None:
    run_suite(tiny_suite, [make_submission("tune", TUNE)], store, tmp_path, workers=1)
    record = rows(store)["tune"]
    # 190 retained samples in batches of 50: the fourth batch of a pass has 40.
    assert record.forward_samples == record.backward_samples == 190


def test_a_seed_does_not_go_on_from_another_original(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    first = make_submission("first", NOTHING)
    run_suite(tiny_suite, [first], store, tmp_path, workers=1)
    assert rows(store)["first"].original_weights_hash == _original(store).weights_hash
    with store.engine.begin() as connection:  # as if another machine had trained it
        connection.execute(update(OriginalRow).values(weights_hash="f" * 64))
    second = make_submission("second", NOTHING)
    with pytest.raises(UsageError, match=r"poison-trigger, corruption seed 0, .*has other weights here .*ffffffffffff"):
        run_suite(tiny_suite, [first, second], store, tmp_path, workers=1)
    assert set(rows(store)) == {"first"}, "what was stored stays, and nothing was added"


def _original(store: Store) -> OriginalRow:
    with Session(store.engine) as session:
        return session.scalars(select(OriginalRow)).one()


def test_a_part_of_the_grid_is_run_and_the_whole_suite_is_stored(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    suite = replace(tiny_suite, discovery_rates=(0.1, 0.5), seeds=(0, 1))
    submissions = [make_submission("good", NOTHING), make_submission("idle", NOTHING)]
    submissions[1] = replace(submissions[1], needs_forget_set=False)
    part = suite.part(seeds=[1], discovery_rates=[0.5])
    assert run_suite(suite, submissions, store, tmp_path, part=part, workers=1).ran == 2
    assert run_suite(suite, submissions, store, tmp_path, workers=1).ran == 4, "the part is not run again"
    with Session(store.engine) as session:
        assert [run.suite_specification["seeds"] for run in session.scalars(select(RunRow))] == [[0, 1], [0, 1]]
        idle = session.scalars(select(TrialRow).join(SubmissionRow).where(SubmissionRow.name == "idle")).all()
    assert [(trial.healed_discovered, trial.selection_score) for trial in idle] == [(None, None)] * 2
    assert all(trial.healed_undiscovered == trial.healed_train for trial in idle)


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_original_is_trained_again(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path, damage: str
) -> None:
    run_suite(tiny_suite, [make_submission("good", NOTHING)], store, tmp_path, workers=1)
    (file,) = (tmp_path / "originals").glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-5] ^= 255
    file.write_bytes(content[:-40] if damage == "truncated" else content)
    run_suite(tiny_suite, [make_submission("second", NOTHING)], store, tmp_path, workers=1)
    records = rows(store)
    assert records["good"].weights_hash == records["second"].weights_hash


def test_a_killed_run_loses_nothing_and_doubles_nothing(make_submission: Make, tmp_path: Path) -> None:
    make_submission("slowly", "time.sleep(0.8)\n" + NOTHING)
    suite = tmp_path / "kill.toml"
    suite.write_text(
        'name = "kill"\ntitle = "Kill"\ndataset = "digits"\nseeds = [0]\ntrain_size = 200\ntest_size = 60\n'
        'corruptions = ["random-swap"]\n'
        "discovery_rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]\n[corruption]\nsize = 20\n"
        "[model]\nwidth = 0.05\n[recipe]\nsteps = 6\nbatch_size = 50\npeak_learning_rate = 0.05\n"
        "[budget]\nsteps = 4\nbatch_size = 50\nlearning_rate = 0.01\n"
    )
    database = tmp_path / "kill.db"
    code = (
        "from pathlib import Path\nfrom unlearnbench.running.run import run_suite\n"
        "from unlearnbench.submissions.finding import read\nfrom unlearnbench.problems.suite_file import parse\n"
        "from unlearnbench.store.store import Store\n"
        f"with Store({str(database)!r}) as store:\n"
        f"    run_suite(parse(Path({str(suite)!r})), read(Path({str(tmp_path / 'submissions' / 'slowly')!r})), store,"
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
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        if len(stored()) >= 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = stored()
    assert 2 <= len(before) < 10
    subprocess.run(command, check=True, timeout=180)
    after = stored()
    assert len(after) == 10
    assert before.items() <= after.items()


SPEAKS_OF_ITS_ORIGINAL = """small, wide = problem.original(), problem.expanded_original()
assert (problem.recipe.tied_dropout is None) == (problem.expanded_weights is None)
corner = small.corner_of(wide)
assert all(torch.equal(tensor, corner[name]) for name, tensor in small.named_parameters())
assert wide.groups == small.widened_groups(problem.recipe.shared)
print("channels", small.groups, wide.groups)
return problem.train_from_scratch(problem.retain)"""


def test_every_kind_of_original_has_its_own_trials(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    suite = replace(tiny_suite, originals=Originals((0.5, 1.0), ("standard", "tied-dropout")))
    submissions = [make_submission("retrains", SPEAKS_OF_ITS_ORIGINAL), make_submission("nothing", NOTHING)]
    summary = run_suite(suite, submissions, store, tmp_path, workers=2)
    assert (summary.planned, summary.failed) == (8, 0)
    with Session(store.engine) as session:
        originals = {(row.capacity, row.training): row for row in session.scalars(select(OriginalRow))}
        planned = session.scalars(select(PlannedTrialRow)).all()
        trials = {row.key: row for row in session.scalars(select(TrialRow))}
    assert len(originals) == 4
    for plan in planned:
        original, trial = originals[plan.capacity, plan.training], trials[plan.trial_key]
        assert trial.original_key == plan.original_key == original.key
        recipe = original.specification["recipe"]
        assert (recipe["tied_dropout"], recipe["shared"]) == ((0.2 if plan.training == "tied-dropout" else None), 0.5)
        assert original.specification["model"]["capacity"] == plan.capacity
    # To do nothing is to be the original: what was dropped of it stays dropped.
    assert {trial.healed_train for trial in trials.values()} & {row.healed_train for row in originals.values()}
    assert len({trial.weights_hash for trial in trials.values()}) == 8


def test_the_shared_part_of_tied_dropout_is_the_suite_s(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    """From the suite's file to the channels that a submission is given; a standard original knows nothing of it."""
    kinds = Originals((0.25,), ("standard", "tied-dropout"), shared=0.25, memorisation=0.1)
    suite = replace(tiny_suite, model=Model(width=0.1), originals=kinds)
    body = f"""{SPEAKS_OF_ITS_ORIGINAL.rpartition("return")[0]}
tied = problem.recipe.tied_dropout is not None
assert (problem.recipe.tied_dropout, problem.recipe.shared) == ((0.1, 0.25) if tied else (None, 0.5))
assert (small.groups, wide.groups) == ((2, 3, 6, 3), (8, 12, 24, 12) if tied else (4, 6, 12, 6))
return small"""
    assert run_suite(suite, [make_submission("looks", body)], store, tmp_path, workers=1).failed == 0
    with Session(store.engine) as session:
        recipes = [row.specification["recipe"] for row in session.scalars(select(OriginalRow))]
    assert {(recipe["tied_dropout"], recipe["shared"]) for recipe in recipes} == {(None, 0.5), (0.1, 0.25)}


def test_a_method_of_training_brings_its_own_originals(
    tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
) -> None:
    tied = replace(make_submission("tied", NOTHING), needs_tied_dropout=True)
    assert run_suite(tiny_suite, [tied, make_submission("plain", NOTHING)], store, tmp_path, workers=1).failed == 0
    with Session(store.engine) as session:
        planned = session.execute(
            select(SubmissionRow.name, PlannedTrialRow.training).join(
                SubmissionRow, SubmissionRow.key == PlannedTrialRow.submission_key
            )
        ).all()
    assert sorted(tuple(row) for row in planned) == [("plain", "standard"), ("tied", "tied-dropout")]
