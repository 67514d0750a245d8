"""The verbs of tuning: what is found is printed as a variant, with what the blind choice cost, and shown again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.cli.conftest import Call, one_sentence
from tests.tiny import tiny_toml

SUBMISSIONS = Path(__file__).parents[2] / "submissions"


def test_a_tuning_prints_a_variant_and_is_in_the_table_of_tunings(call: Call) -> None:
    Path("tiny.toml").write_text(tiny_toml(tuning={"seeds": [100], "discovery_rates": [0.5], "tries": 2}))
    # `sap` uses no forget set; a tuning gives it one, or there would be no score to choose by.
    for method, found in {"finetune": "tiny", "sap": "tiny", "rem": "tiny", "rem/shared": "shared_tiny"}.items():
        tuned = call("tune", method, "--suite", "tiny.toml", "--submissions", str(SUBMISSIONS))
        assert tuned.code == 0, tuned.err
        default_won = f"Nothing better than {method} was found" in tuned.out
        assert (f"[variants.{found}]" in tuned.out) != default_won
        assert "blind" in tuned.out
    table = call("tunings", "tiny", "--format", "csv")
    rows = [line.split(",")[:2] for line in table.out.splitlines()]
    assert rows == [["method", "tries"], ["finetune", "2"], ["rem", "2"], ["rem/shared", "2"], ["sap", "2"]]
    one_sentence(call("tunings", "other"), 2, "no tuning on suite 'other'")


def test_a_tuning_that_finds_nothing_better_prints_no_variant(call: Call) -> None:
    Path("tiny.toml").write_text(tiny_toml(tuning={"seeds": [100], "discovery_rates": [0.5], "tries": 2}))
    manifest = Path("submissions/sap/submission.toml")
    shutil.copytree(SUBMISSIONS / "sap", manifest.parent)
    only = "[search]\ntrusted = { choices = [1000, 2000] }\n"  # both are more than all samples
    manifest.write_text(re.sub(r"\[search\]\n.*", only, manifest.read_text(), flags=re.DOTALL))
    tuned = call("tune", "sap", "--suite", "tiny.toml")
    assert tuned.code == 0, tuned.err
    assert "Nothing better than sap was found, so there is no variant to add." in tuned.out
    assert "[variants." not in tuned.out


def test_tries_that_all_fail_are_not_silent(call: Call) -> None:
    """A hyperparameter that the method does not have makes every try but the default fail."""
    Path("tiny.toml").write_text(tiny_toml(tuning={"seeds": [100], "discovery_rates": [0.5], "tries": 2}))
    manifest = Path("submissions/finetune/submission.toml")
    shutil.copytree(SUBMISSIONS / "finetune", manifest.parent)
    only = "[search]\nnosuch = { low = 1, high = 9 }\n"
    manifest.write_text(re.sub(r"\[search\]\n.*", only, manifest.read_text(), flags=re.DOTALL))
    tuned = call("tune", "finetune", "--suite", "tiny.toml")
    assert tuned.code == 0, tuned.err
    assert "all trials of 1 of 2 tries failed: does the method take what its [search] table has?" in tuned.err


def test_a_tuning_in_which_nothing_finished_has_no_winner(call: Call) -> None:
    Path("tiny.toml").write_text(tiny_toml(tuning={"seeds": [100], "discovery_rates": [0.5], "tries": 2}))
    code = Path("submissions/finetune/method.py")
    shutil.copytree(SUBMISSIONS / "finetune", code.parent)
    code.write_text(re.sub(r"(def unlearn\(.*:\n)", r"\1        raise ValueError('no')\n", code.read_text()))
    tuned = call("tune", "finetune", "--suite", "tiny.toml")
    assert tuned.code == 1
    assert "no try of finetune finished, so none is chosen" in tuned.err
    assert "processor seconds" in tuned.out, "the tries are listed"
    assert "[variants." not in tuned.out
