"""The verbs of tuning: what is found is printed as a variant, with what the blind choice cost, and shown again."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlearnbench import cli

SUBMISSIONS = Path(__file__).parents[2] / "submissions"
TINY = """
name = "tiny"
title = "Tiny"
dataset = "digits"
corruptions = ["poison-trigger"]
discovery_rates = [0.5]
seeds = [0]
train_size = 200
test_size = 60
[corruption]
size = 20
[model]
width = 0.05
[recipe]
steps = 6
batch_size = 50
peak_learning_rate = 0.05
[budget]
steps = 2
batch_size = 50
learning_rate = 0.01
[tuning]
seeds = [100]
discovery_rates = [0.5]
tries = 2
"""


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(list(arguments))
    return int(end.value.code or 0)


def test_a_tuning_prints_a_variant_and_is_in_the_table_of_tunings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TINY)
    # `sap` uses no forget set; a tuning gives it one, or there would be no score to choose by.
    for method, found in {"finetune": "tiny", "sap": "tiny", "rem": "tiny", "rem/shared": "shared_tiny"}.items():
        assert call("tune", method, "--suite", "tiny.toml", "--submissions", str(SUBMISSIONS)) == 0
        printed = capsys.readouterr().out
        assert f"[variants.{found}]" in printed
        assert "blind" in printed
    assert call("tunings", "tiny", "--format", "csv") == 0
    rows = [line.split(",")[:2] for line in capsys.readouterr().out.splitlines()]
    assert rows == [["method", "tries"], ["finetune", "2"], ["rem", "2"], ["rem/shared", "2"], ["sap", "2"]]
    assert call("tunings", "other") == 2
    assert "holds no tuning of suite 'other'" in capsys.readouterr().err
