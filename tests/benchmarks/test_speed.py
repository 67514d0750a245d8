"""The speed benchmark measures what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from unlearnbench.system import machine

ROOT = Path(__file__).parents[2]


def table(part: str) -> list[list[str]]:
    """The rows of the table that a part prints."""
    command = [sys.executable, "-m", "benchmarks.speed", part]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rows = [line for line in answer.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


@pytest.mark.slow
def test_a_trial_falls_into_its_parts() -> None:
    seconds = {
        name: (float(least.removesuffix(" ms")), float(median.removesuffix(" ms")))
        for name, least, median, _ in table("trial")
    }
    assert len(seconds) == 7
    assert all(0 < least <= median for least, median in seconds.values())
    assert max(seconds, key=lambda name: seconds[name]) == "`unlearn`"


@pytest.mark.slow
def test_every_model_is_trained_and_evaluated() -> None:
    rows = table("training")
    rates, forked = rows[:6], rows[8:]  # the second table has a heading of its own
    assert [what for _, what, *_ in rates] == ["training", "evaluation"] * 3
    assert all(float(rate) > 0 for row in rates for rate in row[2:6])
    if machine.device() == "cpu":
        assert len(forked) == 6
        assert all(float(share) > 0.9 for _, share in forked)
