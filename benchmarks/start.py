"""Measure what a trial costs at each level of isolation before and after its method: python -m benchmarks.start"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks.scaling import grid, sleeping
from unlearnbench.boundary.isolation import LEVELS
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store

TRIALS = 30


def main() -> None:
    suite = grid(TRIALS)
    print("| level | a trial: least | median |\n| :-- | --: | --: |")
    for level in LEVELS:
        with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/results.db") as store:
            nothing = sleeping(Path(folder), "nothing", 0)
            run_suite(suite, [nothing], store, Path(folder), workers=1, isolation=level)
            with Session(store.engine) as session:
                seconds = session.scalars(select(TrialRow.total_seconds)).all()
        least, median = min(seconds), statistics.median(seconds)
        print(f"| {level} | {1000 * least:.0f} ms | {1000 * median:.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
