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


def test_kills_lose_nothing_and_double_nothing() -> None:
    found = campaign("--kills", "2", "harness killed", "one of two killed")
    assert found["harness killed"].startswith("2 kills in ")
    assert found["harness killed"].endswith("none lost, none doubled, same records")
    assert found["one of two killed"].startswith("10 trials, 1")


@pytest.mark.slow
def test_all_faults() -> None:
    found = campaign("--kills", "6", "--seed", "1")
    assert len(found) == 10
    assert all("failed**" not in result for result in found.values())
