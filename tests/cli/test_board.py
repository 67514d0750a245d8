"""A board goes from one machine to another: its records as files, its originals as files."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.conftest import Call, one_sentence
from tests.tiny import tiny_toml

SUITE = tiny_toml(discovery_rates=[0.5, 1.0])


def test_a_method_added_elsewhere_starts_from_the_same_weights(call: Call) -> None:
    call("new", "mine")
    call("new", "yours")
    Path("tiny.toml").write_text(SUITE)
    assert call("run", "tiny.toml", "--method", "mine")[0] == 0
    assert call("originals", "export", "tiny", "--out", "originals") == (0, "1 originals written to originals\n", "")
    assert call("store", "dump", "tiny", "--out", "board") == (0, "board/seed-0.jsonl written\n", "")
    assert call("store", "dump", "tiny", "--out", "board")[1].startswith("nothing new: the files in board have all")

    there = ("--data", "there", "--database", "there/results.db")
    assert call("originals", "import", "originals", *there) == (0, "1 originals imported, 0 known already\n", "")
    assert call("originals", "import", "originals", *there) == (0, "0 originals imported, 1 known already\n", "")
    assert not Path("there/results.db").exists()
    say = "board/seed-0.jsonl: 2 trials added, 0 known already\n"
    assert call("store", "load", "board/seed-0.jsonl", "--database", "there/results.db") == (0, say, "")
    (original,) = Path("there/originals").glob("*.safetensors")
    before = original.stat().st_mtime_ns
    code, out, err = call("run", "tiny.toml", "--method", "yours", *there)
    assert (code, "2 trials run" in out) == (0, True), err
    assert "differs" not in err
    assert original.stat().st_mtime_ns == before, "it was not trained again"
    assert (
        call("store", "dump", "tiny", "--database", "there/results.db", "--out", "board")[1]
        == "board/seed-0.part2.jsonl written\n"
    )
    code, out, err = call("store", "load", "board/seed-0.jsonl", "board/seed-0.part2.jsonl")
    assert (code, out.splitlines()[1]) == (0, "board/seed-0.part2.jsonl: 2 trials added, 0 known already"), err
    assert call("store", "recompute")[1] == "4 finished trials recomputed\n"


def test_a_damaged_file_exits_2_and_a_conflict_1(call: Call) -> None:
    call("new", "mine")
    Path("tiny.toml").write_text(SUITE)
    assert call("run", "tiny.toml", "--method", "mine")[0] == 0
    call("store", "dump", "tiny", "--out", "board")
    file = Path("board/seed-0.jsonl")
    whole = file.read_text()
    file.write_text(whole.replace('"state":"finished"', '"state":"stopped"', 1))
    one_sentence(call("store", "load", str(file)), 2, "table 'trials', row '", "field 'state': must be 'finished'")
    file.write_text(re.sub('"weights_hash":"[0-9a-f]{64}"', f'"weights_hash":"{64 * "0"}"', whole, count=1))
    code, out, err = call("store", "load", str(file))
    assert (code, "weights_hash" in out) == (1, True)
    assert err == "1 conflict: sqlite:///data/unlearnbench.db keeps its rows; all others were merged\n"
    file.write_text(whole[:-100])
    code, out, err = call("store", "load", str(file), "--database", "new.db")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("unlearnbench: board/seed-0.jsonl, line ")
    assert not Path("new.db").exists()
    one_sentence(call("originals", "import", "board"), 2, "board/originals.json is not a readable index")
    export = call("originals", "export", "tiny", "--out", "some", "--seed", "7")
    one_sentence(export, 2, "unknown seed 7 in suite 'tiny' (all: 0)")
