"""What `store` does with what is stored."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Call, one_sentence
from tests.store.valid import whole, written
from tests.tiny import tiny_toml
from unlearnbench import library
from unlearnbench.store.schema import SCHEMA_VERSION

V6 = Path(__file__).parents[1] / "store" / "v6.sql"


def test_what_is_stored_is_looked_at_checked_exported_and_merged(call: Call) -> None:
    """run on two machines, then all that `store` does with what they stored."""
    call("new", "mine")
    Path("tiny.toml").write_text(tiny_toml(corruptions=["random-swap", "poison-trigger"], discovery_rates=[0.5, 1.0]))
    for machine in ("a.db", "b.db"):
        assert call("run", "tiny.toml", "--method", "mine", "--database", machine).code == 0
    looked = call("store", "info", "--database", "a.db")
    assert looked.code == 0, looked.err
    for line in ("schema version: ", "runs: 1\n", "trials: 4\n", "methods: mine\n", "torch "):
        assert line in looked.out
    checked = call("store", "recompute", "--database", "a.db")
    assert (checked.code, checked.out) == (0, "4 finished trials recomputed\n"), checked.err
    for form in ("csv", "jsonl", "parquet"):
        written = call(
            "store", "export", "--database", "a.db", "--format", form, "--out", f"out/trials.{form}", "--suite", "tiny"
        )
        assert (written.code, written.out) == (0, f"4 trials written to out/trials.{form}\n"), written.err
        assert Path(f"out/trials.{form}").stat().st_size > 1000
    merged = call("store", "merge", "a.db", "b.db", "--database", "all.db")
    assert merged.code == 0, merged.err
    assert merged.out == "a.db: 4 trials added, 0 known already\nb.db: 0 trials added, 4 known already\n"
    assert "runs: 2\n" in call("store", "info", "--database", "all.db").out
    assert call("store", "upgrade", "--database", "all.db").out.startswith("already at schema version ")

    with sqlite3.connect("b.db") as connection:
        connection.execute("UPDATE trials SET utility = utility + 0.25 WHERE key = (SELECT min(key) FROM trials)")
    connection.close()
    checked = call("store", "recompute", "--database", "b.db")
    assert checked.code == 1
    assert "mine" in checked.out
    assert "utility" in checked.out
    assert checked.err == "stored values that differ from recomputed ones: 1\n"
    refused = call("store", "merge", "b.db", "--database", "all.db")
    one_sentence(refused, 2, "b.db: table 'trials', row ", ", field 'aggregate': does not agree")
    with sqlite3.connect("b.db") as connection:
        connection.execute("UPDATE trials SET aggregate = healed_train * utility")
    connection.close()
    one_sentence(
        call("store", "merge", "b.db", "--database", "all.db"), 2, "field 'utility': ", "but its predictions give"
    )
    one_sentence(call("store", "merge", "b.db", "--database", "all.db", "--unverified"), 2, "another file", "'b.db'")
    merged = call("store", "merge", "b.db", "--database", "all.db", "--unverified", "--origin", "forged")
    assert merged.code == 1
    assert "utility" in merged.out
    assert merged.err.endswith("conflicts: all.db keeps its rows; all others were merged\n")
    assert call("store", "recompute", "--database", "all.db").code == 0, "the planted error was not taken over"


def test_what_was_merged_is_listed_by_origin_and_removed(call: Call) -> None:
    for name, run in (("a.db", "a"), ("b.db", "b")):
        written(Path(name), *whole(run=run))
    assert call("store", "merge", "a.db", "--database", "all.db").code == 0
    assert call("store", "merge", "b.db", "--database", "all.db", "--unverified", "--origin", "them").code == 0
    looked = call("store", "info", "--database", "all.db").out
    assert "origin: a.db: 2 trials, added 20" in looked
    assert "origin: them (unverified): 2 trials, added 20" in looked
    one_sentence(
        call("store", "remove-origin", "then", "--database", "all.db"),
        2,
        "unknown origin 'then'",
        "did you mean 'them'?",
    )
    removed = call("store", "remove-origin", "them", "--database", "all.db")
    assert (removed.code, removed.out) == (0, "0 trials and 1 runs that came only from them deleted\n")
    removed = call("store", "remove-origin", "a.db", "--database", "all.db")
    assert removed.out == "2 trials and 1 runs that came only from a.db deleted\n"
    assert "trials: 0\n" in call("store", "info", "--database", "all.db").out


def test_an_old_store_is_upgraded_when_it_is_told_to(call: Call) -> None:
    with sqlite3.connect("old.db") as connection:
        connection.executescript(V6.read_text())
    connection.close()
    remedy = "run `unlearnbench store upgrade --database sqlite:///old.db`"
    one_sentence(call("store", "info", "--database", "old.db"), 2, "schema version 6", remedy)
    one_sentence(call("store", "merge", "old.db", "--database", "new.db"), 2, remedy)
    upgraded = call("store", "upgrade", "--database", "sqlite:///old.db")
    assert upgraded.out.startswith(f"upgraded from schema version 6 to {SCHEMA_VERSION}")
    assert "13 trials added" in call("store", "merge", "old.db", "--database", "new.db").out
    checked = call("store", "recompute", "--database", "new.db", "--suite", "tiny")
    assert (checked.code, checked.out) == (
        0,
        "8 finished trials recomputed; 8 were recorded without a selection score\n",
    )


@pytest.mark.parametrize("verb", ["info", "export", "recompute", "upgrade", "merge"])
def test_there_must_be_a_store(verb: str, call: Call) -> None:
    options = {"export": ("--out", "x.csv"), "merge": ("none.db", "--database", "all.db")}
    given = options.get(verb, ()) if verb == "merge" else ("--database", "none.db", *options.get(verb, ()))
    one_sentence(call("store", verb, *given), 2, "no results database at none.db")
    assert not Path("none.db").exists()


def test_a_store_that_is_only_read_keeps_its_journal_mode(call: Call) -> None:
    """So that looking at the store of somebody else does not change it."""
    written(Path("theirs.db"))
    with sqlite3.connect("theirs.db") as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    before = Path("theirs.db").read_bytes()
    for verb in (("info",), ("recompute",), ("export", "--out", "x.csv"), ("dump", "tiny", "--out", "board")):
        assert call("store", *verb, "--database", "theirs.db").code == 0
    assert Path("theirs.db").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "function"),
    [
        (("store", "load", "seed-0.jsonl"), "load"),
        (("store", "merge", "a.db", "--database", "b.db"), "merge"),
        (("store", "dump", "tiny", "--out", "board"), "dump"),
        (("originals", "export", "tiny", "--out", "models"), "export_originals"),
        (("originals", "import", "models"), "import_originals"),
    ],
)
def test_what_writes_ends_on_sigterm_as_on_ctrl_c(
    words: tuple[str, ...], function: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a store is one file afterwards, and nothing half-written is left."""
    cleaned = []

    def work(*_arguments: object, **_options: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            cleaned.append(function)

    monkeypatch.setattr(library, function, work)
    result = call(*words)
    assert (result.code, cleaned) == (143, [function])
    assert "Stopped." in result.err
