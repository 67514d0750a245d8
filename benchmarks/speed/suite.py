"""The harness beside the published way: a process for each trial, which trains an original of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import find, parse
from unlearnbench.running.run import run_suite
from unlearnbench.store.store import Store
from unlearnbench.submissions.choosing import choose
from unlearnbench.submissions.finding import discover
from unlearnbench.system.processes import cores

METHODS = ("finetune", "ssd")
RATES = (0.1, 1.0)

ONE = """
import sys
from benchmarks.speed.suite import cell
cell(sys.argv[1], float(sys.argv[2]), sys.argv[3])
"""


@dataclass(frozen=True)
class Compared:
    """Seconds that both ways take for the same trials; `overhead` as in `running.run.RunSummary`."""

    trials: int
    naive: float
    harness: float
    overhead: float


def compared() -> Compared:
    """Both ways on all cores, on the same trials."""
    suite = replace(digits(), discovery_rates=RATES)
    cells = [(corruption, rate, method) for corruption in suite.corruptions for rate in RATES for method in METHODS]
    begin = time.perf_counter()
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(lambda item: subprocess.run([sys.executable, "-c", ONE, *map(str, item)], check=True), cells))
    naive = time.perf_counter() - begin
    begin = time.perf_counter()
    overhead = _run(suite, METHODS, workers=cores())
    return Compared(len(cells), naive, time.perf_counter() - begin, overhead)


def cell(corruption: str, rate: float, method: str) -> None:
    """One trial and its original, with this harness's own code: what differs is only that nothing is shared."""
    _run(replace(digits(), corruptions=(corruption,), discovery_rates=(rate,)), (method,), workers=1)


def digits() -> Suite:
    return parse(find("digits", Path("suites")))


def _run(suite: Suite, methods: tuple[str, ...], *, workers: int) -> float:
    submissions = choose(discover(Path("submissions")), methods, suite.variants)
    with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/results.db") as store:
        return run_suite(suite, submissions, store, Path(folder), workers=workers).overhead
