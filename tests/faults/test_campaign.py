"""The campaign of faults in short: `python -m benchmarks.faults` in full takes many minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def campaign(*arguments: str) -> dict[str, str]:
    """What happened, by fault."""
    command = [sys.executable, "-m", "benchmarks.faults", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("|").split("|") for line in done.stdout.splitlines()[2:]]
    return {row[0].strip(): row[2].strip() for row in rows}


def test_what_one_of_two_harnesses_leaves_the_other_takes_over() -> None:
    """A harness alone that is killed is tested in running/test_run.py, and at random moments by the whole campaign."""
    assert campaign("one of two killed")["one of two killed"].startswith("10 trials, 1")


@pytest.mark.slow
def test_all_faults() -> None:
    found = campaign("--kills", "6", "--seed", "1")
    assert len(found) == 10
    assert all("failed**" not in result for result in found.values())
