"""`baseline`, `check` and `rerun` from the outside: what is run, what is found, and how the program ends."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Call, called, one_sentence
from tests.tiny import tiny_toml
from unlearnbench import library
from unlearnbench.problems.streams import stream
from unlearnbench.running import originals, trial
from unlearnbench.store.store import Store
from unlearnbench.verify import rerun

SUITE = tiny_toml(discovery_rates=[0.5, 1.0])
FIRST_LINE = "        model = problem.original()\n"


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite, a submission, a store that it was run into, and the baseline of it."""
    folder = tmp_path_factory.mktemp("checked")
    (folder / "tiny.toml").write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert called("new", "mine") == 0
        assert called("run", "tiny.toml") == 0
        assert called("baseline", "tiny", "--out", "baseline.csv") == 0
    return folder


@pytest.fixture
def place(checked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to change, and to be in."""
    shutil.copytree(checked, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


CHECK = ("check", "tiny.toml", "--against", "baseline.csv")


def change(place: Path, more: str) -> None:
    """Let the method do more before its first line."""
    file = place / "submissions/mine/method.py"
    text = file.read_text()
    assert FIRST_LINE in text
    file.write_text(text.replace(FIRST_LINE, more + FIRST_LINE))


def test_the_same_code_run_anew_is_fine_and_leaves_only_what_was_asked_for(place: Path, call: Call) -> None:
    before = {path for path in place.rglob("*") if path.is_file()}
    code, out, err = call(*CHECK, "--summary", "s/summary.md", "--junit", "s/junit.xml")
    assert (code, out.splitlines()[-1]) == (0, "1 method compared with the baseline of tiny: no regression."), err
    assert {path for path in place.rglob("*") if path.is_file()} - before == {
        place / "s/summary.md",
        place / "s/junit.xml",
    }
    assert "no regression" in (place / "s/summary.md").read_text()
    assert 'failures="0"' in (place / "s/junit.xml").read_text()


@pytest.mark.parametrize(
    ("option", "file", "said"),
    [
        ("--summary", "submissions", "it is a folder"),
        ("--junit", "submissions", "it is a folder"),
        ("--summary", "baseline.csv", "it is read for this"),
        ("--junit", "data/unlearnbench.db", "it is a store"),
    ],
)
def test_where_results_cannot_go_is_said_before_the_run(
    place: Path, call: Call, option: str, file: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "check", None)  # would be a traceback
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    one_sentence(call(*CHECK, option, file), 2, f"cannot write {file}", said)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_files_that_are_not_there_are_not_ignored(call: Call) -> None:
    one_sentence(call(*CHECK, "--no-run", "--seeds-from", "nope.toml"), 2, "nope.toml cannot be read")
    one_sentence(call("table", "tiny", "--suites", "suitez"), 2, "no folder suitez", "--suites")
    one_sentence(call("run", "tiny.toml", "--submissions", "nope"), 2, "no folder nope", "--submissions")
    one_sentence(call("methods", "--changed-from", "nope"), 2, "no folder nope", "--changed-from")


def test_a_harness_that_names_its_streams_otherwise_is_found(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (originals, trial):
        monkeypatch.setattr(module, "stream", lambda seed, *names: stream(seed, "renamed", *names))
    code, out, _ = call(*CHECK)
    assert code == 1
    assert (
        "regression: mine: same numbers: the method's code is unchanged, but 2 of 2 trials give different numbers"
        in out
    )


def test_a_trial_that_newly_fails_is_found(place: Path, call: Call) -> None:
    change(place, "        assert len(problem.forget) < 20, 'too many'\n")
    code, out, _ = call(*CHECK)
    assert code == 1
    assert "regression: mine: finishes: 1 of 2 trials newly fail: raised: AssertionError: too many" in out


def test_a_method_that_is_gone_is_found_and_a_new_one_is_run_if_named_and_placed_not_judged(
    place: Path, call: Call
) -> None:
    shutil.rmtree(place / "submissions/mine")
    call("new", "yours")
    code, out, _ = call(*CHECK)
    assert code == 1
    assert "regression: mine: present: the method is gone: all of its 2 trials are missing" in out
    assert "yours" not in out, "only what the baseline has is run"
    code, out, _ = call(*CHECK, "--method", "yours", "--board", "baseline.csv")
    assert code == 0
    assert "new: yours: not in the baseline, so shown but not checked" in out
    assert re.search(r"on the board, yours would be number [12] of 2 \(\d+\.\d\)\. .* a first look, no rank", out)
    one_sentence(call(*CHECK, "--method", "yours", "--board", "tiny.toml"), 2, "tiny.toml, line 1")


def test_no_run_judges_what_is_stored(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearnbench.running.run.run_suite", None)
    code, out, _ = call("check", "--against", "baseline.csv", "--no-run")
    assert (code, out.splitlines()[-1]) == (0, "1 method compared with the baseline of tiny: no regression.")


def test_what_a_given_database_holds_is_not_run_again_and_the_check_says_so(call: Call) -> None:
    code, out, _ = call(*CHECK, "--database", "data/unlearnbench.db")
    assert code == 0
    assert "note: 2 of 2 trials were stored already: they do not test the current harness" in out


def test_a_baseline_names_what_it_lacks(place: Path, call: Call) -> None:
    with sqlite3.connect("data/unlearnbench.db") as store:
        store.execute("delete from predictions where trial_key in (select key from trials limit 1)")
        store.execute("delete from trials where key in (select key from trials limit 1)")
    code, out, err = call("baseline", "tiny", "--out", "new/baseline.csv")
    assert code == 0
    assert err == "warning: the baseline lacks trials that were not run: mine (1)\n"
    assert out == "1 trials of 1 methods written to new/baseline.csv\n"
    rows = (place / "new/baseline.csv").read_text()
    assert (rows.count(",finished,"), rows.count(",missing,")) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "--against", "nothing.csv"), ("no baseline at nothing.csv", "unlearnbench baseline SUITE")),
        (("check", "--against", "tiny.toml"), ("tiny.toml, line 1, column 1: ", "expected 'suite'")),
        (("check", "other.toml", "--against", "baseline.csv"), ("a baseline of suite 'tiny', not of 'other'",)),
        (("check", "other.toml", "--against", "baseline.csv", "--no-run"), ("of suite 'tiny', not of 'other'",)),
        ((*CHECK, "--method", "yours"), ("unknown method 'yours'",)),
        ((*CHECK, "--no-run", "--method", "yours"), ("unknown method 'yours'", "mine")),
        ((*CHECK, "--submissions", "nowhere"), ("no folder nowhere", "--submissions")),
        ((*CHECK, "--no-run", "--database", "none.db"), ("no results database at none.db",)),
        ((*CHECK, "--no-run", "--database", ""), ("'' names no file",)),
        ((*CHECK, "--database", ""), ("'' names no file",)),
        (("check", "", "--against", "baseline.csv"), ("unknown suite ''",)),
        (("baseline", "other", "--out", "b.csv"), ("unknown suite 'other' in the store",)),
    ],
)
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], words: tuple[str, ...], place: Path, call: Call) -> None:
    (place / "other.toml").write_text(tiny_toml(name="other"))
    one_sentence(call(*arguments), 2, *words)


def test_no_workers_are_not_the_default_number_of_them(call: Call) -> None:
    code, out, err = call(*CHECK, "--workers", "0")
    assert (code, out) == (2, "")
    assert "--workers" in err


def test_only_what_differs_from_other_submissions_is_listed(place: Path, call: Call) -> None:
    for name in ("same", "edited", "retuned", "gone", "documented"):
        call("new", name)
    shutil.copytree("submissions", "old")
    (place / "submissions/edited/method.py").open("a").write("\n# more\n")
    (place / "submissions/retuned/submission.toml").open("a").write("\n[variants.other]\n")
    (place / "submissions/documented/README.md").write_text("More words")
    shutil.rmtree("submissions/gone")
    call("new", "added")
    assert call("methods", "--changed-from", "old")[1].split() == ["added", "edited", "gone", "retuned"]
    assert call("methods", "--changed-from", "submissions")[1] == ""


def test_rerun_needs_a_trial(call: Call) -> None:
    one_sentence(call("rerun", "abc", "--database", "none.db"), 2, "no results database at none.db")
    assert not Path("none.db").exists()
    Store("empty.db").engine.dispose()
    one_sentence(call("rerun", "abc", "--database", "empty.db"), 2, "no trial 'abc' in the store")
    one_sentence(call("rerun", "../x", "--database", "empty.db"), 2, "'../x' is not a key of a trial")


@pytest.mark.parametrize(("different", "code"), [(False, 0), (True, 1)])
def test_rerun_exits_1_when_a_result_differs(
    different: bool, code: int, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store("empty.db").engine.dispose()
    found = [rerun.Field("utility", 0.5, 0.4 if different else 0.5, not different)]
    found.append(rerun.Field("seconds", 1.0, 2.0, None))
    monkeypatch.setattr(rerun, "rerun", lambda *arguments, **options: found)
    result = call("rerun", "abc", "--database", "empty.db")
    assert result.code == code
    assert ("Not the same: utility." if different else "The same results.") in result.out
