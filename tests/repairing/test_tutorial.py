"""The commands of docs/repair.md work, and find what was planted: the proof on digits with swapped classes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load_file

from unlearnbench.cli import main

TEXT = (Path(__file__).parents[2] / "docs/repair.md").read_text()
SNIPPET = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^unlearnbench (repair digits .+)$", TEXT, re.MULTILINE)


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = SNIPPET
    exec(code, {})
    first, again, without = COMMANDS
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(first))
    said = capfd.readouterr()
    assert ended.value.code == 0, said.err
    out = tmp_path / "repaired"
    assert {file.name for file in out.iterdir()} == {
        *("weights.safetensors", "report.html", "report.md", "suspects.csv", "trials"),
        ".repair.lock",
    }
    suspects = pd.read_csv(out / "suspects.csv")
    assert suspects["file"][:16].str.contains("was-").mean() >= 0.75, "16 of the 24 were not in the list"
    assert "This is a choice without truth." in said.out
    assert (out / "report.md").read_text().count("| taken |") == 1

    weights = load_file(out / "weights.safetensors")
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(again))
    assert ended.value.code == 0, capfd.readouterr().err
    assert load_file(tmp_path / "again/weights.safetensors").keys() == weights.keys()
    assert "resnet9, weights weights.safetensors" in capfd.readouterr().out

    with pytest.raises(SystemExit) as ended:
        main(shlex.split(without))
    assert ended.value.code == 0, capfd.readouterr().err
    assert "0 of them found" in capfd.readouterr().out
