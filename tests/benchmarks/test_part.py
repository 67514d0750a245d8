"""The forecast of a suite from one column of its grid."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.tiny import tiny_toml


def test_one_column_is_run_and_the_whole_is_forecast(tmp_path: Path) -> None:
    suite = tiny_toml(corruptions=["random-swap"], discovery_rates=[0.1, 0.5, 1.0], seeds=[0, 1])
    (tmp_path / "tiny.toml").write_text(suite)
    command = [sys.executable, "benchmarks/part.py", str(tmp_path / "tiny.toml"), "--rate", "0.5"]
    command += ["--data", str(tmp_path), "--method", "original", "--method", "finetune"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"measured: 1 originals [\d.]+ s, 2 trials [\d.]+ s,\n +0 failed", answer)
    # `original` uses no forget set: one trial a seed, where `finetune` has one for each discovery rate.
    assert re.search(r"forecast: 2 originals and 8 trials of tiny [\d.]+ min", answer)
