"""Run the campaign and print a Markdown table; exit with 1 if anything was lost, doubled or changed."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from benchmarks.faults.scenarios import SCENARIOS, NotHere, undisturbed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"only these: {', '.join(SCENARIOS)}")
    parser.add_argument("--kills", type=int, default=100, help="kills of a harness, and damages of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments and places")
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        campaign = undisturbed(Path(folder), arguments.kills, arguments.seed)
        print("| fault | what was done | what happened | seconds |\n| --- | --- | --- | --- |", flush=True)
        for name in arguments.scenarios or SCENARIOS:
            scenario, begin = SCENARIOS[name], time.monotonic()
            try:
                result = scenario(campaign)
            except NotHere as error:
                result = f"not run: {error}"
            except AssertionError as error:
                failed = True
                result = f"**failed**: {error}"
                traceback.print_exc()
            done = " ".join((scenario.__doc__ or "").split()).rstrip(".")
            print(f"| {name} | {done} | {result} | {time.monotonic() - begin:.0f} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
