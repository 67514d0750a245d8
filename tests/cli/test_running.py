"""`run`, from a template to a leaderboard, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.cli.conftest import PART, Call, one_sentence
from tests.submissions.fake_uv import program
from tests.tiny import tiny_toml
from unlearnbench.store.store import Store
from unlearnbench.submissions import environments
from unlearnbench.system import shipped


def test_from_a_template_to_a_leaderboard(call: Call) -> None:
    """new, run, run again, show, leaderboard; a failing variant is a result, not a failure of the run."""
    call("new", "mine")
    with Path("submissions/mine/submission.toml").open("a") as file:
        file.write('\n[variants.broken]\nrate = "fast"\n')
    Path("tiny.toml").write_text(tiny_toml(corruptions=["random-swap", "poison-trigger"], discovery_rates=[0.5, 1.0]))
    first = call("run", "tiny.toml", "--method", "mine", "--method", "mine/broken")
    assert first.code == 0, first.err
    assert "8 trials run" in first.out
    assert "4 failed; 0 already stored" in first.out
    said = [line for line in first.err.splitlines() if "mine/broken" in line]
    assert len(said) == 2, "once when it failed first, once at the end"
    assert "mine/broken failed: raised: TypeError" in said[0]
    assert "mine/broken: 4 failed: raised: TypeError" in said[1]
    assert "--retry-failed" not in first.out
    assert "unlearnbench leaderboard tiny --out build/leaderboard" in first.out
    again = call("run", "tiny.toml", "--method", "mine", "--method", "mine/broken", "--rate", "0.5", "--rate", "1.0")
    assert again.code == 0
    assert "unlearnbench leaderboard tiny --rate 0.5 --rate 1.0 --out build/leaderboard" in again.out, "the same part"
    assert "0 trials run" in again.out
    assert "8 already stored" in again.out
    assert "mine/broken: 4 failed: raised: TypeError" in again.err
    assert "4 of these failed in an earlier run. If the fault was not the method's: --retry-failed" in again.out
    with create_engine("sqlite:///data/unlearnbench.db").connect() as connection:
        key = connection.execute(text("SELECT key FROM trials WHERE state = 'finished'")).scalars().first()
    repeated = call("rerun", str(key)[:16])
    assert repeated.code == 0, repeated.out + repeated.err
    assert "The same results." in repeated.out
    shown = call("show", "mine", "--suite", "tiny")
    assert shown.code == 0, shown.err
    assert "Traceback" not in shown.out
    assert "failed" not in shown.err
    assert "4 of 4 trials failed: raised: TypeError" in call("show", "mine/broken", "--suite", "tiny").err
    detailed = call("show", "mine/broken", "--suite", "tiny", "--rate", "0.5", "--detail")
    assert detailed.code == 0, detailed.err
    assert detailed.out.count("Traceback") == detailed.out.count("discovery rate 0.5, seed 0 (trial ") == 2
    assert ": raised: TypeError" in detailed.out
    one_sentence(call("show", "yours", "--suite", "tiny"), 2, "yours")
    one_sentence(call("show", "mine"), 2, "digits", "tiny")
    ranked = call("table", "tiny", "--out", "made/table.csv", "--format", "csv", "--by", "corruption")
    assert (ranked.code, ranked.out) == (0, "written to made/table.csv\n")
    assert Path("made/table.csv").read_text().count("\n") == 1 + 2 * 2
    compared = call("compare", "mine", "mine/broken", "--suite", "tiny")
    assert compared.code == 0, compared.err
    assert "mine minus mine/broken" in compared.out
    assert call("show", "mine/default", "--suite", "tiny").out == shown.out
    unknown = call("compare", "mine", "yours", "--suite", "tiny")
    one_sentence(unknown, 2, "unknown method 'yours' in the results", "mine/broken")
    one_sentence(call("compare", "mine", "mine", "--suite", "tiny"), 2, "cannot compare 'mine' with itself")
    plotted = call("plot", "maps", "tiny", "--method", "mine", "--out", "maps.pdf")
    assert (plotted.code, plotted.out) == (0, "maps.pdf written\n"), plotted.err
    assert Path("maps.pdf").read_bytes().startswith(b"%PDF")
    one_sentence(call("plot", "map", "tiny", "--out", "x.pdf"), 2, "'map'", "maps, regions")
    one_sentence(call("plot", "maps", "tiny", "--out", "x.jpg"), 2, "x.jpg", ".svg, .pdf, .png")
    one_sentence(call("plot", "maps", "tiny", "--method", "yours", "--out", "x.pdf"), 2, "'yours'")
    one_sentence(call("plot", "tied-dropout", "tiny", "--out", "x.pdf"), 2, "tied dropout", "originals.trainings")
    assert not list(Path().glob("x.*"))
    drawn = call("leaderboard", "tiny", "--out", "drawn")
    assert drawn.code == 0, drawn.err
    assert "written to drawn" in drawn.out
    assert any(file.suffix == ".png" for file in Path("drawn").rglob("*"))


def test_a_part_of_the_grid_is_run_and_the_rest_when_it_is_asked_for(measured: Call) -> None:
    again = measured("run", "tiny", *PART)
    assert "0 trials run" in again.out
    more = measured("run", "tiny", *("--seed", "0", "--seed", "1"), *("--rate", "0.5", "--rate", "1.0"))
    assert "14 trials run" in more.out, "2 methods x 2 corruptions x 2 rates x 2 seeds, without those that are stored"


def test_another_grid_under_the_same_name_is_flagged(measured: Call) -> None:
    more = tiny_toml(corruptions=["random-swap", "poison-trigger"], discovery_rates=[0.5, 1.0], seeds=[0, 1, 2])
    Path("suites/tiny.toml").write_text(more)
    assert "another name" not in measured("run", "tiny", "--method", "mine", *PART).err, "a grid may grow"
    Path("suites/tiny.toml").write_text(tiny_toml(corruptions=["random-swap"], discovery_rates=[0.3, 0.5], seeds=[0]))
    flagged = measured("run", "tiny", "--method", "mine", *PART)
    assert flagged.code == 0
    assert (
        "warning: the store has runs of suite 'tiny' with discovery_rates [0.5, 1.0] instead of [0.3, 0.5]: give one of"
        in flagged.err
    )


def test_a_broken_submission_stops_no_other_and_is_never_left_out_silently(measured: Call) -> None:
    assert measured("baseline", "tiny", "--out", "before.csv").code == 0
    Path("submissions/draft").mkdir()
    Path("submissions/draft/submission.toml").write_text('name = "dra')
    sentence = "left out: draft: submissions/draft/submission.toml: not a readable TOML file"
    everything = measured("run", "tiny", *PART)
    assert everything.code == 1, "a script must not take this for the whole suite"
    assert "0 trials run" in everything.out
    assert f"warning: {sentence}" in everything.err
    assert everything.err.splitlines()[-1].startswith(sentence)
    mine = measured("run", "tiny", "--method", "mine", *PART)
    assert (mine.code, "left out" in mine.err) == (0, False), "nobody asked for the draft"
    there = ("--against", "before.csv", "--database", "data/unlearnbench.db")
    checked = measured("check", *there)
    assert (checked.code, f"warning: {sentence}" in checked.err) == (0, True), "the whole baseline was checked"
    one_sentence(measured("check", *there, "--method", "draft"), 2, "draft/submission.toml: not a readable TOML file")
    Path("submissions/yours/submission.toml").write_text("half = ")
    checked = measured("check", *there)
    assert checked.code == 1
    assert "regression: yours: present: the method is gone" in checked.out
    assert "note: left out: yours: submissions/yours/submission.toml" in checked.out


def test_what_shares_only_its_name_with_something_shipped_is_named(
    measured: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree("submissions", "package/submissions")
    with Path("package/submissions/mine/method.py").open("a") as file:
        file.write("# changed\n")
    Path("package/suites").mkdir()
    Path("package/suites/tiny.toml").write_text(tiny_toml())
    monkeypatch.setattr(shipped, "INSIDE", place / "package")
    suite, method = (
        f"warning: {what} is not the one of this name that comes with unlearnbench\n"
        for what in ("suite 'tiny'", "submission 'mine'")
    )
    ran = measured("run", "tiny", *PART)
    assert "0 trials run" in ran.out
    assert ran.err.endswith(suite + method)
    assert measured("methods").err == method
    assert measured("suites").err == suite
    one_sentence(measured("run", "tiny", "--suites", "package"), 2, "unknown suite 'tiny' in package")


def test_unknown_suite(call: Call) -> None:
    (Path("suites")).mkdir()
    Path("suites/tiny.toml").write_text(tiny_toml())
    one_sentence(call("run", "digist"), 2, "unknown suite 'digist'", "tiny")


def test_bad_suite_key(call: Call) -> None:
    Path("tiny.toml").write_text(tiny_toml().replace("test_size", "test_seize"))
    one_sentence(call("run", "tiny.toml"), 2, "tiny.toml", "'test_seize'", "test_size")
    Path("tiny.toml").write_text(tiny_toml(model={"width": "wide"}))
    one_sentence(call("run", "tiny.toml"), 2, "tiny.toml", "'model.width'", "'wide'")


def test_unknown_method(call: Call) -> None:
    call("new", "mine")
    Path("tiny.toml").write_text(tiny_toml())
    one_sentence(call("run", "tiny.toml", "--method", "yours"), 2, "unknown method 'yours'", "mine")


def test_no_submissions(call: Call) -> None:
    Path("tiny.toml").write_text(tiny_toml())
    one_sentence(call("run", "tiny.toml"), 2, "no submissions in submissions")


def test_isolation_that_cannot_be_had_is_refused_and_not_replaced(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("new", "mine")
    Path("tiny.toml").write_text(tiny_toml())
    monkeypatch.setenv("PATH", "")
    one_sentence(call("run", "tiny.toml", "--isolation", "strict"), 2, "isolation 'strict' needs bubblewrap")
    assert not Path("data").exists()


def test_unusable_database(call: Call) -> None:
    call("new", "mine")
    Path("tiny.toml").write_text(tiny_toml())
    one_sentence(call("run", "tiny.toml", "--database", "oracle99://x"), 2, "oracle99")
    Path("text").write_text("This is not a database. " * 100)
    one_sentence(call("run", "tiny.toml", "--database", "text"), 2, "text")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", ":memory:", ""])
def test_a_store_in_memory_is_refused(url: str, call: Call) -> None:
    call("new", "mine")
    Path("tiny.toml").write_text(tiny_toml())
    one_sentence(call("run", "tiny.toml", "--database", url), 2, "names no file")


@pytest.mark.parametrize("option", ["--data", "--submissions", "--suites"])
def test_a_file_for_a_folder(option: str, call: Call) -> None:
    Path("file").write_text("")
    result = call("run", "tiny.toml", option, "file")
    assert result.code == 2
    assert "is a file" in result.err
    assert "Traceback" not in result.err


def test_a_name_that_is_too_long(call: Call) -> None:
    assert "unknown suite" in call("run", "x" * 5000).err
    assert "does not exist" in call("run", f"{'x' * 5000}.toml").err


@pytest.mark.parametrize(
    "words", [("run", "tiny.toml", "--method", "mine"), ("tune", "mine", "--suite", "tiny.toml"), ("validate",)]
)
def test_an_environment_that_cannot_be_built_ends_the_command(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    call("new", "mine")
    manifest = Path("submissions/mine/submission.toml")
    manifest.write_text(
        f'requires = ["torchforget==0.2"]\n{manifest.read_text()}\n[search]\nrate = {{ low = 1, high = 2 }}\n'
    )
    Path("tiny.toml").write_text(tiny_toml())
    uv = program(tmp_path / "programs")
    (uv.parent / "broken").touch()
    monkeypatch.setattr(environments, "_uv", lambda: str(uv))
    words = (*words, "submissions/mine") if words == ("validate",) else words
    one_sentence(call(*words), 2, "'mine' requires torchforget==0.2", "or run with --environments")
    ended = call(*words, "--environments")
    assert ended.code == 2
    *_, sentence = ended.err.splitlines()
    assert sentence.startswith("unlearnbench: the environment of submission 'mine' cannot be built: uv says: x No sol")
    assert [file.suffix for file in Path("data/environments").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "tiny.toml", "--seed", "77"), "seed"),
        (("run", "tiny.toml", "--method", "rem0"), "rem0"),
        (("tune", "mine", "--suite", "tiny.toml"), "no [search] table"),
    ],
)
def test_what_cannot_run_leaves_no_store(call: Call, words: tuple[str, ...], said: str) -> None:
    call("new", "mine")
    Path("tiny.toml").write_text(tiny_toml())
    one_sentence(call(*words), 2, said)
    one_sentence(call("table", "tiny"), 2, "no results database", "run a suite first")


def test_an_empty_store_says_what_fills_it(call: Call) -> None:
    with Store("sqlite:///data/unlearnbench.db"):
        pass
    one_sentence(call("table", "digits"), 2, "has no runs: begin with `unlearnbench run digits`")
