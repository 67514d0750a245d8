"""The processor time of a trial is that of all its processes, from before its submission is imported."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from unlearnbench import Pipeline
from unlearnbench.boundary import limits
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.outcome import Outcome
from unlearnbench.boundary.request import Request
from unlearnbench.errors import UsageError
from unlearnbench.models import ModelSpec, build
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.tensors import write
from unlearnbench.submissions.finding import Submission

MODEL = ModelSpec("resnet9", width=0.05, capacity=1.0, classes=2, channels=1, image_size=8)
BURN = """
import threading

def burn(seconds, clock=time.process_time):
    end = clock() + seconds
    while clock() < end:
        pass

def child(seconds):
    if os.fork() == 0:
        burn(seconds)
        os._exit(0)
"""
BURNT = 0.5
"""Seconds. They are counted once if they are counted at least once and less than twice: the rest takes about 0.2."""

Run = Callable[..., Outcome]


@pytest.fixture(scope="module", params=["process", "strict"])
def boundary(request: pytest.FixtureRequest) -> Iterator[Boundary]:
    try:
        with Boundary(request.param) as boundary:
            yield boundary
    except UsageError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def run(
    boundary: Boundary, make_submission: Callable[..., Submission], tiny_suite: Suite, tmp_path: Path
) -> Callable[..., Outcome]:
    """Run a submission whose `unlearn` has this body."""
    training_set = tmp_path / "training_set.safetensors"
    write({"images": torch.zeros(4, 1, 8, 8, dtype=torch.uint8), "labels": torch.tensor([0, 1, 0, 1])}, training_set)

    def run(body: str, *, before: str = "", seconds: float = 60) -> Outcome:
        submission = make_submission("method", body, before=BURN + before)
        request = Request(
            entry=submission.entry,
            sources=submission.sources,
            source_hash=submission.source_hash,
            hyperparameters={},
            training_set=str(training_set),
            original=None,
            forget=[0],
            corrupted=None,
            model=MODEL,
            pipeline=Pipeline((0.5,), (0.5,), 0, False),
            budget=tiny_suite.budget,
            recipe=replace(tiny_suite.recipe, crop_padding=0),
            seed=0,
            threads=1,
            precision="float32",
            device="cpu",
            seconds=seconds,
            memory_bytes=0,
        )
        return boundary.run(request, build(MODEL).state_dict())

    return run


def counted_once(outcome: Outcome) -> bool:
    """Up to the ticks of the clock."""
    return outcome.processor_seconds is not None and BURNT - 0.02 <= outcome.processor_seconds < 2 * BURNT


WAYS = {
    "in unlearn": f"burn({BURNT})",
    "in two threads": f"""half = {BURNT / 2}, time.thread_time
threads = [threading.Thread(target=burn, args=half) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()""",
    "in a child that is waited for": f"child({BURNT})\nos.wait()",
    "in many short children": f"for _ in range(5):\n    child({BURNT / 5})\n    os.wait()",
    "in a pool": f"""import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool: pool.map(burn, [{BURNT / 2}] * 2)""",
    "in a child that nobody waits for": f"child({BURNT})\nos.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)",
    "in a grandchild without a parent": f"""reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    child({BURNT})
    os._exit(0)
os.close(writer)
os.read(reader, 1)""",
    "in a child that still runs": f"""reader, writer = os.pipe()
if os.fork() == 0:
    burn({BURNT})
    os.write(writer, b".")
    time.sleep(60)
os.read(reader, 1)""",
    "in a child of a thread": f"""reader, writer = os.pipe()
def fork():
    if os.fork() == 0:
        burn({BURNT})
        os.write(writer, b".")
    time.sleep(60)
threading.Thread(target=fork, daemon=True).start()
os.read(reader, 1)""",
}


@pytest.mark.parametrize("body", WAYS.values(), ids=WAYS)
def test_what_is_used_is_counted_once_wherever_it_is_used(run: Run, body: str) -> None:
    outcome = run(f"{body}\nreturn problem.original()")
    assert outcome.reason is None, outcome.detail
    assert counted_once(outcome)


def test_what_is_used_at_import_is_counted(run: Run) -> None:
    outcome = run("return problem.original()", before=f"burn({BURNT})")
    assert counted_once(outcome)


def test_sleep_is_not_counted(run: Run) -> None:
    outcome = run("time.sleep(1)\nreturn problem.original()")
    assert outcome.processor_seconds is not None
    assert outcome.seconds is not None
    assert outcome.processor_seconds < 1 <= outcome.seconds


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("raise ValueError", "raised: ValueError"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crashed: signal 9"),
    ],
)
def test_a_failed_trial_has_used_something_too(run: Run, end: str, reason: str) -> None:
    outcome = run(f"burn({BURNT})\n{end}")
    assert outcome.reason == reason
    assert counted_once(outcome)


def test_a_trial_that_reports_nothing_is_counted_until_its_time_is_up(run: Run) -> None:
    outcome = run(f"os.closerange(3, 100)\nburn({BURNT})\ntime.sleep(60)", seconds=3)
    assert outcome.reason == "timeout: over 3 s"
    assert counted_once(outcome)


def test_a_child_that_the_kernel_forgets_is_counted_as_far_as_it_was_seen(run: Run) -> None:
    """With SIGCHLD ignored its time goes to nobody; up to a look of every 0.25 seconds it was seen."""
    outcome = run("signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nchild(1)\ntime.sleep(2)\nreturn problem.original()")
    assert outcome.processor_seconds is not None
    assert 0.4 < outcome.processor_seconds < 2


@pytest.fixture
def sleeping() -> Iterator[list[psutil.Process]]:
    """Three processes that do nothing."""
    started = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    yield [psutil.Process(process.pid) for process in started]
    for process in started:
        process.kill()
        process.wait()


def test_time_that_moves_to_who_waits_counts_once_and_time_that_vanishes_counts_as_seen(
    sleeping: list[psutil.Process],
) -> None:
    parent, child, other = sleeping
    before: limits.Times = {None: (0.0, 0.0), parent: (2.0, 1.0), child: (3.0, 0.5)}
    waited: limits.Times = {
        None: (0.0, 0.0),
        parent: (2.5, 5.0),
    }  # the child used another half second, then was waited for
    assert limits.used(before, waited) == 0.5 + 0.5
    vanished: limits.Times = {None: (0.0, 0.0), parent: (2.5, 1.0), other: (0.25, 0.125)}
    assert limits.used(before, vanished) == 0.5 + 0.25
