"""What trials, workers and machines cost beside the methods: python benchmarks/scaling.py PART...

    local    no-op trials, two at a time: what a trial costs, and what of it the harness's own process
    ray      the same on a Ray cluster of two nodes on this machine
    nodes    trials that sleep, on 1, 2, 4, 8 Ray nodes of one core on this machine; and the memory of a worker
    store    trials that one harness, or several at once, can store in a second, on SQLite and on a PostgreSQL
    plan     what a run costs before its first trial, by the number of trials

Each part prints one table in Markdown. docs/cluster.md holds what came out, and what follows from it.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from unlearnbench.evaluation.predictions import pack
from unlearnbench.problems import datasets
from unlearnbench.problems.suite import Suite
from unlearnbench.running.executors import Start
from unlearnbench.running.executors.local import local
from unlearnbench.running.plan import PlannedTrial, plan
from unlearnbench.running.run import RunSummary, run_suite
from unlearnbench.running.setup import Setup
from unlearnbench.store.claims import Claims
from unlearnbench.store.schema import (
    OriginalRow,
    PlannedTrialRow,
    PredictionRow,
    ProblemRow,
    RunRow,
    SubmissionRow,
    TrialRow,
)
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, read
from unlearnbench.verify.validate import TINY

STORE_BYTES = 80 * 2**20
SECONDS = 2.0
"""What a trial of the part `nodes` sleeps."""
METHOD = """import time
from unlearnbench import UnlearningMethod

class Method(UnlearningMethod):
    def unlearn(self, problem):
        time.sleep({seconds})
        return problem.original()
"""
MANIFEST = """name = "{name}"
title = "{name}"
authors = ["A"]
paper = ""
license = "Apache-2.0"
entry = "method:Method"
"""


def grid(trials: int) -> Suite:
    """A suite of that many problems that share one original."""
    rates = tuple((number + 1) / trials for number in range(trials))
    return replace(TINY, name="scaling", corruptions=("random-swap",), discovery_rates=rates)


def sleeping(folder: Path, name: str, seconds: float) -> Submission:
    code = folder / "submissions" / name
    code.mkdir(parents=True)
    (code / "submission.toml").write_text(MANIFEST.format(name=name))
    (code / "method.py").write_text(METHOD.format(seconds=seconds))
    return read(code)[0]


@contextmanager
def ray_nodes(count: int) -> Iterator[Start]:
    """A cluster of nodes of one core on this machine, each with its own Ray processes."""
    from ray.cluster_utils import Cluster

    from unlearnbench.running.executors.ray import cluster

    head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(count):
            nodes.add_node(num_cpus=1, object_store_memory=STORE_BYTES, include_dashboard=False)
        os.environ["RAY_ADDRESS"] = nodes.address
        yield cluster
    finally:
        nodes.shutdown()


@dataclass(frozen=True)
class Timed:
    summary: RunSummary
    processor: float
    """Seconds of the harness's own process."""
    stored: list[datetime]
    """When the trials ended."""


def timed(trials: int, submission: Submission, folder: Path, executor: Start, workers: int) -> Timed:
    """Run that many variants on one problem, because trials of different rates would wait for each other."""
    variants = [replace(submission, variant=f"v{number}") for number in range(trials)]
    begin = time.process_time()
    with Store(str(folder / "results.db")) as store:
        summary = run_suite(grid(1), variants, store, folder, workers=workers, executor=executor)
        with Session(store.engine) as session:
            moments = session.scalars(select(TrialRow.created_at).where(TrialRow.run_id == summary.run_id))
            return Timed(summary, time.process_time() - begin, sorted(moments))


def trials(name: str, executor: Start, sizes: Sequence[int]) -> None:
    print("| executor | trials | seconds | harness's processor seconds | first trial after |", flush=True)
    print("| :-- | --: | --: | --: | --: |")
    for size in sizes:
        with tempfile.TemporaryDirectory() as path:
            folder = Path(path)
            found = timed(size, sleeping(folder, "nothing", 0), folder, executor, 2)
        seconds, between = found.summary.seconds, (found.stored[-1] - found.stored[0]).total_seconds()
        print(f"| {name} | {size} | {seconds:.1f} | {found.processor:.1f} | {seconds - between:.1f} |", flush=True)


def on_ray(sizes: Sequence[int]) -> None:
    with ray_nodes(2) as cluster:
        trials("ray", cluster, sizes)


def nodes(sizes: Sequence[int]) -> None:
    print("| nodes | trials | seconds | seconds without harness | efficiency | memory of a worker |", flush=True)
    print("| --: | --: | --: | --: | --: | --: |")
    for count in sizes:
        with ray_nodes(count) as cluster, tempfile.TemporaryDirectory() as path:
            import ray

            # Workers stay for the second run.
            ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
            try:
                folder, number = Path(path), 10 * count
                timed(number, sleeping(folder, "nothing", 0), folder, cluster, count)  # starts what there is to start
                found = timed(number, sleeping(folder, "sleeps", SECONDS), folder, cluster, count)
                ideal = 10 * SECONDS
                seconds = found.summary.seconds
                print(
                    f"| {count} | {number} | {seconds:.1f} | {ideal:.0f} | {ideal / seconds:.0%} | {memory()} |",
                    flush=True,
                )
            finally:
                ray.shutdown()


def memory() -> str:
    """Proportional set size of a Ray worker that ran trials, and of the server beside it that they are forked from."""
    found: dict[str, list[int]] = {"ray::": [], "unlearnbench.boundary.server": []}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().decode(errors="replace")
            rollup = (file.parent / "smaps_rollup").read_text()
        except OSError:  # it has just ended
            continue
        for word, sizes in found.items():
            if word in command and "Agent" not in command:
                sizes.append(int(rollup.split("\nPss:")[1].split()[0]))
    workers, servers = (max(sizes, default=0) // 2**10 for sizes in found.values())
    return f"{workers} + {servers} MB"


def store(count: int, postgresql: str | None) -> None:
    print(
        "| store | harnesses | trials stored per second | milliseconds of one |\n| :-- | --: | --: | --: |", flush=True
    )
    with tempfile.TemporaryDirectory() as folder:
        stores = {"SQLite": f"sqlite:///{folder}/results.db"} | ({"PostgreSQL": postgresql} if postgresql else {})
        for name, url in stores.items():
            for harnesses in (1, 2, 4):
                with ProcessPoolExecutor(harnesses, mp_context=get_context("spawn")) as pool:
                    list(pool.map(store_trials, [url] * harnesses, [1] * harnesses))  # imports
                    begin = time.perf_counter()
                    each = list(pool.map(store_trials, [url] * harnesses, [count] * harnesses))
                    rate = harnesses * count / (time.perf_counter() - begin)
                print(f"| {name} | {harnesses} | {rate:.0f} | {1000 * max(each) / count:.1f} |", flush=True)


def store_trials(url: str, count: int) -> float:
    """Store trials as a run does, each with its claim and the predictions of CIFAR-10; the seconds that it took."""
    random = np.random.default_rng(0)
    train, test = (pack(random.integers(10, size=size)) for size in (50_000, 10_000))
    with Store(url) as store:
        run_id, now = uuid.uuid4().hex, store.after_all_runs(datetime(2026, 1, 1))
        store.add([run_row(run_id, now), *FIXED])
        with Claims(store, run_id) as claims:
            begin = time.perf_counter()
            for _ in range(count):
                key = 2 * uuid.uuid4().hex
                claims.take(key)
                trial = TrialRow(
                    **{"key": key, "run_id": run_id, "problem_key": "p", "original_key": "o", "submission_key": "s"},
                    original_weights_hash="w",
                    **{"training_seed": 0, "unlearning_seed": 0, "state": "finished", "seconds": 1.0},
                    **{"total_seconds": 1.0, "device": "cpu", "precision": "float32", "threads": 1},
                    **{"isolation": "process", "limits": "counted", "protocol_version": 1, "created_at": now},
                    aggregate=0.5,
                )
                store.add([trial, PredictionRow(trial_key=key, train=train, test=test, triggered_test=test)])
                claims.end(key)
            return time.perf_counter() - begin


def run_row(run_id: str, now: datetime) -> RunRow:
    return RunRow(
        **{"id": run_id, "suite": "scaling", "suite_specification": {}, "started_at": now, "finished_at": None},
        **{"versions": {}, "hardware": {}, "precision": "float32", "isolation": "process", "workers": 1},
        **{"data_fingerprint": "", "protocol_version": 1},
    )


FIXED = (
    ProblemRow(
        **{"key": "p", "specification": {}, "dataset": "digits", "corruption": "random-swap", "regularity": "low"},
        **{"discovery_rate": 0.5, "corruption_seed": 0, "corrupted": 2, "discovered": 1, "training_fingerprint": ""},
    ),
    OriginalRow(
        **{"key": "o", "specification": {}, "capacity": 0.5, "training": "standard", "training_seed": 0},
        **{"precision": "float32", "weights_hash": "w", "seconds": 0.0, "memorised": 1.0, "absorbed": True},
        **{"healed_train": 0.0, "healed_test": 0.0, "utility": 1.0, "utility_train": 1.0},
    ),
    SubmissionRow(
        **{"key": "s", "name": "s", "variant": "default", "title": "s", "authors": [], "paper": "", "license": ""},
        **{"role": "ranked", "needs_corrupted_indices": False, "hyperparameters": {}, "source_hash": ""},
    ),
)


def before(sizes: Sequence[int]) -> None:
    print("| trials | plan | ask the store | note what is planned | peak memory |\n| --: | --: | --: | --: | --: |")
    dataset = datasets.load("digits", Path("data"))
    for size in sizes:
        with tempfile.TemporaryDirectory() as path, Store(f"{path}/results.db") as database:
            folder = Path(path)
            first = sleeping(folder, "nothing", 0)
            many = [replace(first, variant=f"v{number}") for number in range(100)]
            suite = replace(grid(10), seeds=tuple(range(size // 1000)))
            database.add([run_row("r", datetime(2026, 1, 1)), *FIXED])
            setup = Setup(suite, "cpu", "float32", "process")
            grown: list[PlannedTrial] = []
            spent = [
                measured(lambda: grown.extend(plan(setup, dataset, many))),  # noqa: B023
                measured(lambda: database.stored_trials([trial.key for trial in grown])),  # noqa: B023
                measured(lambda: database.add(planned(trial) for trial in grown)),  # noqa: B023
            ]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10
        print(f"| {len(grown)} | {' | '.join(f'{seconds:.2f} s' for seconds in spent)} | {peak} MB |", flush=True)


def planned(trial: PlannedTrial) -> PlannedTrialRow:
    return PlannedTrialRow(
        **{"run_id": "r", "trial_key": trial.key, "problem_key": "p", "submission_key": "s", "original_key": "o"},
        **{"training_seed": 0, "unlearning_seed": 0, "capacity": 0.5, "training": "standard"},
    )


def measured(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=["local", "ray", "nodes", "store", "plan"])
    parser.add_argument("--trials", nargs="+", type=int, default=[30, 300, 1000])
    parser.add_argument("--nodes", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--postgresql", metavar="URL", help="an empty database, for the part `store`")
    parser.add_argument("--stored", type=int, default=1000, help="trials that each harness stores")
    parser.add_argument("--planned", nargs="+", type=int, default=[1_000, 10_000, 100_000])
    options = parser.parse_args()
    for part in options.parts:
        {
            "local": lambda: trials("local", local, options.trials),
            "ray": lambda: on_ray(options.trials),
            "nodes": lambda: nodes(options.nodes),
            "store": lambda: store(options.stored, options.postgresql),
            "plan": lambda: before(options.planned),
        }[part]()
        print()


if __name__ == "__main__":
    main()
