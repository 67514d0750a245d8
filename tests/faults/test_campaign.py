"""The campaign of faults in short: `python -m benchmarks.faults` in full takes many minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_all_faults() -> None:
    command = [sys.executable, "-m", "benchmarks.faults", "--kills", "6", "--seed", "1"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("|").split("|") for line in done.stdout.splitlines()[2:]]
    found = {row[0].strip(): row[2].strip() for row in rows}
    assert len(found) == 10
    assert all("failed**" not in result for result in found.values())
