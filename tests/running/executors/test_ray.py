"""Trials on a Ray cluster: the same records as on this machine, whoever dies meanwhile. The cluster is started here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import ray
from ray.cluster_utils import Cluster
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from tests.submission import NOTHING, TUNE, install_package
from tests.tiny import tiny_toml
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.cli import main
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.problems.datasets import digits
from unlearnbench.problems.suite import Limits, Originals, Suite
from unlearnbench.running.executors import Start, node
from unlearnbench.running.executors.local import local
from unlearnbench.running.executors.ray import cluster
from unlearnbench.running.run import Progress, RunSummary, run_suite
from unlearnbench.store.schema import Base, OriginalRow, PredictionRow, ProblemRow, RunRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission
from unlearnbench.system import machine

Make = Callable[..., Submission]
MEASURED = {
    # times; paths in tracebacks
    *("run_id", "created_at", "seconds", "processor_seconds", "total_seconds", "evaluation_seconds", "detail"),
}
STORE_BYTES = 80 * 2**20  # the least that Ray takes
PATIENCE = 120.0


def add_node(nodes: Cluster, **resources: Any) -> Any:
    return nodes.add_node(object_store_memory=STORE_BYTES, include_dashboard=False, **resources)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A head that runs nothing and two nodes of one core, which this process has joined."""
    head = {
        **{"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False},
        "_system_config": {"health_check_period_ms": 1000},  # a node is dead after five of them
    }
    nodes = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        add_node(nodes, num_cpus=1)
    ray.init(address=nodes.address, log_to_driver=False)
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def run(suite: Suite, submissions: list[Submission], folder: Path, executor: Start, **options: Any) -> RunSummary:
    """A run with a store and a cache of its own in this folder."""
    folder.mkdir(exist_ok=True)
    with Store(str(folder / "results.db")) as store:
        return run_suite(suite, submissions, store, folder, executor=executor, **options)


def results(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All that is stored but for what is measured: times and which run it was."""
    kinds: list[type[Base]] = [TrialRow, PredictionRow, OriginalRow, ProblemRow]
    with Store(str(folder / "results.db"), create=False) as store, Session(store.engine) as session:
        return {
            kind.__tablename__: sorted(
                (
                    {
                        column.key: getattr(row, column.key)
                        for column in inspect(kind).columns
                        if column.key not in MEASURED
                    }
                    for row in session.scalars(select(kind))
                ),
                key=str,
            )
            for kind in kinds
        }


@pytest.mark.parametrize(("gpus", "device"), [(None, "cpu"), (1.0, "cuda")])
def test_precision_is_pinned_for_the_device_of_the_trials_and_not_for_this_machine(
    nodes: Cluster, tiny_suite: Suite, monkeypatch: pytest.MonkeyPatch, gpus: float | None, device: str
) -> None:
    monkeypatch.setattr(machine, "device", lambda: "of this machine")
    asked: list[str] = []

    def pin(suite: Suite, device: str) -> Suite:
        asked.append(device)
        return replace(suite, threads=1000)  # no node has so many

    with (
        pytest.raises(UsageError, match="no node of the Ray cluster has the 1000 cores"),
        cluster(tiny_suite, [], digits(), Boundary(), None, pin, gpus_per_trial=gpus),
    ):
        pass
    assert asked == [device]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def worker_of(trial: int) -> int:
    """The Ray worker above a trial's process: its guardian and the server that both were forked from lie between."""
    return parent(parent(parent(trial)))


def vanished(path: Path) -> bool:
    return not path.exists()


def gone(pid: int) -> bool:
    return vanished(Path(f"/proc/{pid}"))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_all_records_equal_those_of_this_machine_and_only_this_process_opens_the_store(
    nodes: Cluster, tiny_suite: Suite, make_submission: Make, tmp_path: Path
) -> None:
    suite = replace(
        tiny_suite, originals=Originals((0.5,), ("standard", "tied-dropout")), limits=Limits(seconds=3, memory_gib=4)
    )
    submissions = [
        make_submission("tune", TUNE),
        make_submission("knows", f"assert len(problem.corrupted) == 20\n{TUNE}", needs=True),
        make_submission("raises", "raise ValueError('not today')"),
        make_submission("hangs", "while True: time.sleep(1)"),
        make_submission("crashes", "os.kill(os.getpid(), signal.SIGSEGV)"),
    ]
    holders: set[int] = set()

    def look(_: object) -> None:
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with suppress(OSError):  # a process that has just ended
                if os.readlink(link).startswith(str(tmp_path / "ray" / "results.db")):
                    holders.add(int(link.parts[2]))

    here = run(suite, submissions, tmp_path / "local", local)
    there = run(suite, submissions, tmp_path / "ray", cluster, watch=look)
    assert (here.planned, here.ran, here.failed) == (there.planned, there.ran, there.failed) == (10, 10, 6)
    records = results(tmp_path / "ray")
    assert records == results(tmp_path / "local")
    assert [len(rows) for rows in records.values()] == [10, 4, 2, 1]
    assert {row["reason"] for row in records["trials"]} == {
        *(None, "raised: ValueError: not today", "timeout: over 3 s", "crashed: signal 11")
    }
    assert holders == {os.getpid()}
    with Store(str(tmp_path / "ray" / "results.db")) as store, Session(store.engine) as session:
        (row,) = session.scalars(select(RunRow))
        assert (row.workers, row.hardware["nodes"]) == (2, 2)
        assert row.hardware.items() >= machine.hardware("cpu").items()
        assert row.finished_at is not None
        assert all(row.started_at < trial.created_at < row.finished_at for trial in session.scalars(select(TrialRow)))

    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "ray" / "originals").glob("*.safetensors")}
    again = run(suite, [*submissions, make_submission("another", NOTHING)], tmp_path / "ray", cluster)
    assert (again.planned, again.ran, again.failed) == (12, 2, 0)
    assert {file: file.stat().st_mtime_ns for file in files} == files  # they were not trained again


def test_a_killed_worker_and_a_killed_node_lose_no_trial_and_double_none(
    nodes: Cluster, tiny_suite: Suite, make_submission: Make, tmp_path: Path
) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    wait = (
        f"open({str(notes)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        f"while not os.path.exists({str(go)!r}):\n    time.sleep(0.1)\n"
    )
    suite = replace(tiny_suite, limits=Limits(seconds=600, memory_gib=4))
    submission = make_submission("waits", wait + TUNE)
    variants = [replace(submission, variant=f"v{number}") for number in range(5)]
    go.touch()
    run(suite, variants, tmp_path / "local", local)
    go.unlink()
    notes.write_text("")

    extra = add_node(nodes, num_cpus=1)
    (raylet,) = (item.process.pid for item in extra.all_processes["raylet"])
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run, suite, variants, tmp_path / "ray", cluster)
        until(lambda: len(notes.read_text().splitlines()) == 3 or future.done())
        assert not future.done(), future.result()
        trials = {worker_of(int(pid)): int(pid) for pid in notes.read_text().split()}
        (lost,) = (worker for worker in trials if parent(worker) == raylet)
        killed = next(worker for worker in trials if worker != lost)
        nodes.remove_node(extra, allow_graceful=False)
        os.kill(killed, signal.SIGKILL)
        until(lambda: gone(trials[killed]) and gone(trials[lost]))
        go.touch()
        summary = future.result(PATIENCE)
    assert (summary.planned, summary.ran, summary.failed) == (5, 5, 0)
    assert len(notes.read_text().splitlines()) == 7  # two of them began twice
    assert results(tmp_path / "ray") == results(tmp_path / "local")


def test_what_runs_is_ended_with_the_run(
    nodes: Cluster, tiny_suite: Suite, make_submission: Make, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    sleeps = make_submission("sleeps", f"open({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n{NOTHING}")

    def interrupt(progress: Progress) -> None:
        if progress.done == 1:
            until(lambda: note.exists() and note.read_text())
            raise KeyboardInterrupt

    suite = replace(tiny_suite, limits=Limits(seconds=600, memory_gib=4))
    with pytest.raises(KeyboardInterrupt):
        run(suite, [make_submission("nothing", NOTHING), sleeps], tmp_path, cluster, watch=interrupt)
    until(lambda: gone(int(note.read_text())))
    assert len(results(tmp_path)["trials"]) == 1


def test_sigterm_ends_the_run_as_ctrl_c_does(nodes: Cluster, make_submission: Make, tmp_path: Path) -> None:
    """Ray sets a handler of its own, which would end this process with what runs, and its own `breakpoint()`."""
    note, suite = tmp_path / "note", tmp_path / "tiny.toml"
    make_submission("sleeps", f"open({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n{NOTHING}")
    suite.write_text(tiny_toml(limits={"seconds": 600, "memory_gib": 4}))
    code = """
import os, sys
from unlearnbench.cli import main
try:
    main(sys.argv[1:])
finally:
    print(os.environ["PYTHONBREAKPOINT"])
"""
    command = [sys.executable, "-c", code, "run", str(suite), "--executor", "ray"]
    environment = os.environ | {"RAY_ADDRESS": nodes.address, "PYTHONBREAKPOINT": "pdb.set_trace"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(lambda: note.exists() and note.read_text())
    process.send_signal(signal.SIGTERM)
    shown, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert shown.splitlines()[-1] == "pdb.set_trace"
    assert said.count("Stopped.") == 1
    assert "Traceback" not in said
    until(lambda: gone(int(note.read_text())))


HARNESS = """
import sys
from dataclasses import replace
from pathlib import Path
from unlearnbench.running.executors.ray import cluster
from unlearnbench.running.run import run_suite
from unlearnbench.submissions.finding import read
from unlearnbench.verify.validate import TINY
from unlearnbench.store.store import Store
folder = Path(sys.argv[1])
suite = replace(TINY, corruptions=("random-swap", "class-swap"))
with Store(str(folder / "results.db")) as store:
    run_suite(suite, read(folder / "submissions" / "sleeps"), store, folder, executor=cluster)
"""


@pytest.mark.slow
def test_a_killed_harness_takes_its_trials_and_their_folders_with_it(
    nodes: Cluster, make_submission: Make, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    lines = f"open({str(note)!r}, 'a').write(f'{{os.getpid()}} {{os.getcwd()}}\\n')\ntime.sleep(600)\n"
    make_submission("sleeps", lines + NOTHING)
    environment = {**os.environ, "RAY_ADDRESS": nodes.address}
    harness = subprocess.Popen([sys.executable, "-c", HARNESS, tmp_path], env=environment)
    until(lambda: (note.exists() and len(note.read_text().splitlines()) == 2) or harness.poll() is not None)
    assert harness.poll() is None
    harness.kill()
    harness.wait()
    for line in note.read_text().splitlines():
        pid, _, folder = line.partition(" ")
        until(partial(gone, int(pid)))
        kept = next(path for path in Path(folder).parents if path.name.startswith("unlearnbench-"))
        until(partial(vanished, kept))


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["its head", "its node on this machine"])
def test_a_cluster_that_is_gone_ends_the_run_with_a_sentence(lost: str, make_submission: Make, tmp_path: Path) -> None:
    """Ray would end the process by itself, without one."""
    note, suite = tmp_path / "note", tmp_path / "tiny.toml"
    make_submission("sleeps", f"open({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n{NOTHING}")
    suite.write_text(tiny_toml(limits={"seconds": 600, "memory_gib": 4}))
    head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        add_node(nodes, num_cpus=1)
        process = subprocess.Popen(
            [sys.executable, "-m", "unlearnbench", "run", str(suite), "--method", "sleeps", "--executor", "ray"],
            cwd=tmp_path,
            env=os.environ | {"RAY_ADDRESS": nodes.address},
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: (note.exists() and note.read_text()) or process.poll() is not None)
        if lost == "its head":
            cast(Any, nodes.head_node).kill_gcs_server()
        else:
            cast(Any, nodes.head_node).kill_raylet()
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        nodes.shutdown()
    assert process.returncode == 1
    assert f"unlearnbench: the Ray cluster is lost: {lost} (" in said
    assert "the same command continues" in said
    until(lambda: gone(int(note.read_text())))


def test_a_node_with_other_software_is_refused(
    nodes: Cluster, tiny_suite: Suite, make_submission: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "software", lambda submissions: {"torch": "1.0", "unlearnbench's files": "0123"})
    words = r"on node .+ \(\w{8}\): different software: torch [\d.+a-z]+ instead of 1\.0, .*; install the same"
    with pytest.raises(HarnessError, match=words):
        run(tiny_suite, [make_submission("nothing", NOTHING)], tmp_path, cluster)


def test_a_node_without_what_a_submission_requires_is_refused_before_the_run(
    nodes: Cluster, tiny_suite: Suite, make_submission: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_package(tmp_path / "site", "0.1.1")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))  # of this process, which the nodes do not share
    submissions = [
        make_submission("nothing", NOTHING),
        replace(make_submission("mine", NOTHING), requires=("torchforget==0.1.1",)),
    ]
    words = r"^on node .+ \(\w{8}\): submission 'mine' requires torchforget==0\.1\.1, which is not installed: install"
    with pytest.raises(UsageError, match=words):
        run(tiny_suite, submissions, tmp_path, cluster)
    with Store(str(tmp_path / "results.db"), create=False) as store, Session(store.engine) as session:
        assert session.scalars(select(RunRow)).all() == []
    assert not any(results(tmp_path).values())


@pytest.mark.slow
def test_isolation_that_a_node_does_not_have_is_refused(
    nodes: Cluster, tiny_suite: Suite, make_submission: Make, tmp_path: Path
) -> None:
    without_bubblewrap = add_node(nodes, num_cpus=1, env_vars={"PATH": str(tmp_path)})
    try:
        with pytest.raises(UsageError, match=r"on node .+: isolation 'strict' needs bubblewrap, but `bwrap` is not"):
            run(tiny_suite, [make_submission("nothing", NOTHING)], tmp_path, cluster, isolation="strict")
    finally:
        nodes.remove_node(without_bubblewrap)


@pytest.mark.slow
def test_a_node_that_joins_and_cannot_run_is_avoided(
    nodes: Cluster, tiny_suite: Suite, make_submission: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    joined = list[Any]()

    def join(progress: Progress) -> None:
        if progress.stage == "trials" and not joined:
            joined.append(add_node(nodes, num_cpus=2, env_vars={"PATH": str(tmp_path)}))

    suite = replace(tiny_suite, discovery_rates=tuple(rate / 10 for rate in range(1, 11)))
    try:
        done = run(
            suite,
            [make_submission("waits", f"time.sleep(5)\n{NOTHING}")],
            tmp_path,
            cluster,
            isolation="strict",
            workers=4,
            watch=join,
        )
    finally:
        for item in joined:
            nodes.remove_node(item)
    assert (done.ran, done.failed) == (10, 0)
    (said,) = caplog.messages
    assert "isolation 'strict' needs bubblewrap" in said
    assert said.endswith("the run goes on without this node")


def test_the_command_line_runs_strict_trials_there(
    nodes: Cluster, make_submission: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_submission("looks", f"assert not os.path.exists({str(tmp_path)!r}), 'seen'\n{NOTHING}")
    (tmp_path / "tiny.toml").write_text(tiny_toml())
    folders = [f"--{name}={tmp_path / name}" for name in ("database", "data", "submissions")]
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "tiny.toml"), "--executor", "ray", "--isolation", "strict", *folders])
    assert ended.value.code == 0
    assert "1 trial run in" in capsys.readouterr().out
    with Store(str(tmp_path / "database"), create=False) as store, Session(store.engine) as session:
        (trial,) = session.scalars(select(TrialRow))
    assert (trial.state, trial.isolation) == ("finished", "strict")


def test_a_cluster_without_room_for_a_trial_is_refused(
    nodes: Cluster, tiny_suite: Suite, make_submission: Make, tmp_path: Path
) -> None:
    submissions = [make_submission("nothing", NOTHING)]
    with pytest.raises(UsageError, match="no node of the Ray cluster has the 64 cores that a trial needs: add"):
        run(replace(tiny_suite, threads=64), submissions, tmp_path, cluster)
    with pytest.raises(UsageError, match=r"the 1 cores and 0\.25 GPUs"):
        run(tiny_suite, submissions, tmp_path, partial(cluster, gpus_per_trial=0.25))


def test_an_installed_method_that_a_node_does_not_have_is_refused(
    nodes: Cluster, tiny_suite: Suite, make_submission: Make, tmp_path: Path
) -> None:
    absent = replace(make_submission("absent", NOTHING), folder=None, sources=None, entry="nowhere:Method")
    with pytest.raises(HarnessError, match=r"on node .+: installed method 'absent' is missing or differs"):
        run(tiny_suite, [absent], tmp_path, cluster)
