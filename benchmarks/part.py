"""Run one column of a suite's grid, the first seed at one discovery rate, and say what the whole suite would take here.

    python benchmarks/part.py cifar10-resnet9 --rate 0.5 --data data [--capacity 0.5] [--method NAME ...] [--workers N]
                                              [--keep FOLDER]

The forecast is linear: originals and trials of the part, by the numbers of originals and trials of the whole, and what
neither is (imports, data) once. So a rate whose trials cost as much as the mean is the one to take; methods that make
passes over D_f only cost more at high rates. With --capacity, originals of that capacity alone, trained in the standard
way: the others cost more than the forecast says.

SUITE may be a file. What is kept in a folder is not run again, and a run that is stopped goes on there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from unlearnbench.problems import datasets
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import find, parse
from unlearnbench.running.plan import PlannedTrial, plan
from unlearnbench.running.run import Progress, run_suite
from unlearnbench.running.setup import Setup
from unlearnbench.store.store import Store
from unlearnbench.submissions.choosing import choose
from unlearnbench.submissions.finding import Submission, discover
from unlearnbench.system import machine


@dataclass
class Stages:
    """When each stage of a run was first heard of."""

    begin: float = field(default_factory=time.perf_counter)
    at: dict[str, float] = field(default_factory=dict)

    def watch(self, progress: Progress) -> None:
        now = time.perf_counter() - self.begin
        if self.at.setdefault(progress.stage, now) == now or progress.message is not None:
            print(f"{now:7.1f} s: {progress.message or progress.stage}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--capacity", type=float)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--method", action="append", default=[])
    parser.add_argument("--workers", type=int)
    parser.add_argument("--keep", type=Path, help="folder for the store and the originals; default: a temporary one")
    arguments = parser.parse_args()
    whole = parse(find(arguments.suite, Path("suites")))
    part = replace(whole, discovery_rates=(arguments.rate,), seeds=whole.seeds[:1])
    if arguments.capacity is not None:
        only = replace(whole.originals, capacities=(arguments.capacity,), trainings=("standard",))
        part = replace(part, originals=only)
    submissions = choose(discover(Path("submissions")), arguments.method, whole.variants)
    stages = Stages()
    with kept(arguments.keep) as folder, Store(f"{folder}/results.db") as store:
        summary = run_suite(
            part,
            submissions,
            store,
            arguments.data,
            workers=arguments.workers,
            originals=folder,
            watch=stages.watch,
        )
        total = time.perf_counter() - stages.begin
    ran, all_ = (planned(suite, submissions, arguments.data) for suite in (part, whole))
    setup, originals = stages.at["originals"], stages.at["trials"] - stages.at["originals"]
    trials = total - stages.at["trials"]
    factor = len(originals_of(all_)) / len(originals_of(ran))
    forecast = setup + originals * factor + trials * len(all_) / len(ran)
    print(f"{machine.hardware(machine.device())}: setup {setup:.1f} s")
    print(f"measured: {len(originals_of(ran))} originals {originals:.1f} s, {len(ran)} trials {trials:.1f} s,")
    print(f"          {summary.failed} failed, {summary.overhead:.1%} overhead")
    print(
        f"forecast: {len(originals_of(all_))} originals and {len(all_)} trials of {whole.name} {forecast / 60:.1f} min"
    )


@contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """The folder, or a temporary one if none is given."""
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


def planned(suite: Suite, submissions: Sequence[Submission], data: Path) -> list[PlannedTrial]:
    device = machine.device()
    setup = Setup(suite, device, machine.precision(suite.precision, device), "process")
    return plan(setup, datasets.load_for(suite, data), submissions)


def originals_of(trials: Sequence[PlannedTrial]) -> set[str]:
    return {trial.original.key for trial in trials}


if __name__ == "__main__":
    main()
