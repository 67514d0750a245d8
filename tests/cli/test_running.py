"""`run`, from a template to a leaderboard, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.cli.conftest import PART, Call, one_sentence
from tests.tiny import tiny_toml
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
    warnings = [line for line in first.err.splitlines() if "mine/broken" in line]
    assert len(warnings) == 1, "one reason per method"
    assert "mine/broken failed: raised: TypeError" in warnings[0]
    assert "unlearnbench leaderboard tiny --out build/leaderboard" in first.out
    again = call("run", "tiny.toml", "--method", "mine", "--method", "mine/broken")
    assert again.code == 0
    assert "0 trials run" in again.out
    assert "8 already stored" in again.out
    with create_engine("sqlite:///data/unlearnbench.db").connect() as connection:
        key = connection.execute(text("SELECT key FROM trials WHERE state = 'finished'")).scalars().first()
    repeated = call("rerun", str(key)[:16])
    assert repeated.code == 0, repeated.out + repeated.err
    assert "The same results." in repeated.out
    shown = call("show", "mine", "--suite", "tiny")
    assert shown.code == 0, shown.err
    assert "Traceback" not in shown.out
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
    Path("mine.toml").write_text(tiny_toml().replace("test_size", "test_seize"))
    one_sentence(call("run", "mine.toml"), 2, "mine.toml", "'test_seize'", "test_size")
    Path("mine.toml").write_text(tiny_toml(model={"width": "wide"}))
    one_sentence(call("run", "mine.toml"), 2, "mine.toml", "'model.width'", "'wide'")


def test_unknown_method(call: Call) -> None:
    call("new", "mine")
    Path("mine.toml").write_text(tiny_toml())
    one_sentence(call("run", "mine.toml", "--method", "yours"), 2, "unknown method 'yours'", "mine")


def test_no_submissions(call: Call) -> None:
    Path("mine.toml").write_text(tiny_toml())
    one_sentence(call("run", "mine.toml"), 2, "no submissions in submissions")


def test_isolation_that_cannot_be_had_is_refused_and_not_replaced(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("new", "mine")
    Path("mine.toml").write_text(tiny_toml())
    monkeypatch.setenv("PATH", "")
    one_sentence(call("run", "mine.toml", "--isolation", "strict"), 2, "isolation 'strict' needs bubblewrap")
    assert not Path("data").exists()


def test_unusable_database(call: Call) -> None:
    call("new", "mine")
    Path("mine.toml").write_text(tiny_toml())
    one_sentence(call("run", "mine.toml", "--database", "oracle99://x"), 2, "oracle99")
    Path("text").write_text("This is not a database. " * 100)
    one_sentence(call("run", "mine.toml", "--database", "text"), 2, "text")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", ":memory:", ""])
def test_a_store_in_memory_is_refused(url: str, call: Call) -> None:
    call("new", "mine")
    Path("mine.toml").write_text(tiny_toml())
    one_sentence(call("run", "mine.toml", "--database", url), 2, "names no file")


@pytest.mark.parametrize("option", ["--data", "--submissions", "--suites"])
def test_a_file_for_a_folder(option: str, call: Call) -> None:
    Path("file").write_text("")
    result = call("run", "mine.toml", option, "file")
    assert result.code == 2
    assert "is a file" in result.err
    assert "Traceback" not in result.err


def test_a_name_that_is_too_long(call: Call) -> None:
    assert "unknown suite" in call("run", "x" * 5000).err
    assert "does not exist" in call("run", f"{'x' * 5000}.toml").err
