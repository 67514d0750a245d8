"""Every verb, from the outside: what it prints, and how it ends."""

from __future__ import annotations

import io
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.commands import COMMANDS
from unlearnbench import cli
from unlearnbench.boundary.isolation import LEVELS
from unlearnbench.cli.common import Level
from unlearnbench.errors import HarnessError

ROOT = Path(__file__).parent.parent

TINY = """
name = "tiny"
title = "Tiny"
dataset = "digits"
corruptions = ["random-swap", "poison-trigger"]
discovery_rates = [0.5, 1.0]
seeds = [0]
train_size = 200
test_size = 60
[corruption]
size = 20
[model]
width = 0.125
[recipe]
steps = 20
batch_size = 64
peak_learning_rate = 0.05
[budget]
steps = 2
batch_size = 64
learning_rate = 0.01
"""


class Result:
    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def call(capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call the program in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call_with(*arguments: str) -> Result:
        with pytest.raises(SystemExit) as end:
            cli.main(list(arguments))
        printed = capsys.readouterr()
        return Result(int(end.value.code or 0), printed.out, printed.err)

    return call_with


def one_sentence(result: Result, code: int, *words: str) -> None:
    assert result.code == code
    assert result.err.startswith("unlearnbench: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err


def test_nothing_heavy_is_imported_for_help() -> None:
    heavy = {"torch", "pandas", "seaborn", "matplotlib", "sqlalchemy", "pydantic", "numpy", "scipy"}
    code = f"import sys, unlearnbench.cli; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_and_every_option_has_help(verb: str, call: Any) -> None:
    assert call(*verb.split(), "--help").code == 0
    assert COMMANDS[verb].help
    for parameter in COMMANDS[verb].params:
        assert parameter.help, parameter.name


def test_unknown_suite(call: Any) -> None:
    (Path("suites")).mkdir()
    Path("suites/tiny.toml").write_text(TINY)
    one_sentence(call("run", "digist"), 2, "unknown suite 'digist'", "tiny")


def test_bad_suite_key(call: Any) -> None:
    Path("mine.toml").write_text(TINY.replace("test_size", "test_seize"))
    one_sentence(call("run", "mine.toml"), 2, "mine.toml", "'test_seize'", "test_size")
    Path("mine.toml").write_text(TINY.replace("width = 0.125", "width = 'wide'"))
    one_sentence(call("run", "mine.toml"), 2, "mine.toml", "'model.width'", "'wide'")


def test_unknown_method(call: Any) -> None:
    call("new", "mine")
    Path("mine.toml").write_text(TINY)
    one_sentence(call("run", "mine.toml", "--method", "yours"), 2, "unknown method 'yours'", "mine")


def test_isolation_that_cannot_be_had_is_refused_and_not_replaced(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call("new", "mine")
    Path("mine.toml").write_text(TINY)
    monkeypatch.setenv("PATH", "")
    one_sentence(call("run", "mine.toml", "--isolation", "strict"), 2, "isolation 'strict' needs bubblewrap")
    assert not Path("data").exists()


def test_the_level_of_isolation_reaches_the_engine_and_the_report(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call("new", "mine")
    Path("mine.toml").write_text(TINY)
    levels: list[str] = []

    def note(*_arguments: object, isolation: str, **_options: object) -> NoReturn:
        levels.append(isolation)
        raise HarnessError("seen")

    def board(*_arguments: object, isolation: str, **_options: object) -> None:
        levels.append(isolation)

    monkeypatch.setattr("unlearnbench.running.run.run_suite", note)
    monkeypatch.setattr("unlearnbench.report.numbers.board.read_board", board)
    monkeypatch.setattr("unlearnbench.report.leaderboard.write_leaderboard", note)
    for option in ([], ["--isolation", "strict"]):
        call("run", "mine.toml", *option)
        call("leaderboard", "tiny", "--out", "drawn", *option)
    assert levels == ["process"] * 3 + ["strict"] * 3
    assert [level.value for level in Level] == list(LEVELS)


def test_no_submissions(call: Any) -> None:
    Path("mine.toml").write_text(TINY)
    one_sentence(call("run", "mine.toml"), 2, "no submissions in submissions")


@pytest.mark.parametrize(
    "arguments",
    [
        ("leaderboard", "digits", "--out", "x"),
        ("show", "mine"),
        ("table", "digits"),
        ("compare", "mine", "yours"),
        ("plot", "maps", "digits", "--out", "x.svg"),
    ],
)
def test_missing_store(arguments: tuple[str, ...], call: Any) -> None:
    one_sentence(call(*arguments), 2, "no results database at data/unlearnbench.db")
    assert not Path("data").exists()


def test_help_names_every_figure_and_format(call: Any) -> None:
    from unlearnbench.report.figures import KINDS
    from unlearnbench.report.figures.style import UNDATED

    printed = " ".join(call("plot", "--help").out.split())
    for name in (*KINDS, *UNDATED):
        assert name in printed


def test_unusable_database(call: Any) -> None:
    call("new", "mine")
    Path("mine.toml").write_text(TINY)
    one_sentence(call("run", "mine.toml", "--database", "oracle99://x"), 2, "oracle99")
    Path("text").write_text("This is not a database. " * 100)
    one_sentence(call("run", "mine.toml", "--database", "text"), 2, "text")


@pytest.mark.parametrize("name", ["Mine", "1st", "my-method", "../mine", "", "mine\n"])
def test_bad_name(name: str, call: Any) -> None:
    result = call("new", name)
    assert result.code == 2
    assert "is not a name of a method" in result.err
    assert not Path("submissions").exists()


def test_a_taken_name_is_refused(call: Any) -> None:
    assert call("new", "mine").code == 0
    Path("submissions/mine/method.py").write_text("my work")
    one_sentence(call("new", "mine"), 2, "submissions/mine exists already")
    assert Path("submissions/mine/method.py").read_text() == "my work"


def test_validate_needs_a_submission(call: Any) -> None:
    one_sentence(call("validate", "nothing"), 2, "nothing holds no submission.toml")


def test_validate_exits_1_when_a_variant_fails(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from unlearnbench.verify import validate

    checks = [validate.Check("mine", 0.5, None), validate.Check("mine/slow", 60.0, "timeout: over 60 s")]
    monkeypatch.setattr(validate, "validate", lambda path: checks)
    result = call("validate", "mine")
    assert result.code == 1
    assert result.out == "mine: ok, 0.5 s\nmine/slow: failed: timeout: over 60 s\n"


def test_methods_and_suites_are_listed(call: Any) -> None:
    call("new", "mine")
    Path("suites").mkdir()
    Path("suites/tiny.toml").write_text(TINY)
    assert "mine" in call("methods").out
    listed = call("suites")
    assert "tiny" in listed.out
    assert "4" in listed.out


def test_unknown_form(call: Any) -> None:
    result = call("table", "digits", "--format", "word")
    assert result.code == 2
    assert "latex" in result.err


def test_rerun_needs_a_trial(call: Any) -> None:
    one_sentence(call("rerun", "abc"), 2, "no results database at data/unlearnbench.db")
    assert not Path("data").exists()
    from unlearnbench.store.store import Store

    Store("empty.db").engine.dispose()
    one_sentence(call("rerun", "abc", "--database", "empty.db"), 2, "the store has no trial 'abc'")
    one_sentence(call("rerun", "../x", "--database", "empty.db"), 2, "'../x' is not a trial")


@pytest.mark.parametrize(("different", "code"), [(False, 0), (True, 1)])
def test_rerun_exits_1_when_a_result_differs(
    different: bool, code: int, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unlearnbench.store.store import Store
    from unlearnbench.verify import rerun

    Store("empty.db").engine.dispose()
    found = [rerun.Comparison("utility", 0.5, 0.4 if different else 0.5, not different)]
    found.append(rerun.Comparison("seconds", 1.0, 2.0, None))
    monkeypatch.setattr(rerun, "rerun", lambda *arguments, **options: found)
    result = call("rerun", "abc", "--database", "empty.db")
    assert result.code == code
    assert ("Not the same: utility." if different else "The same results.") in result.out


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", ":memory:", ""])
def test_a_store_in_memory_is_refused(url: str, call: Any) -> None:
    call("new", "mine")
    Path("mine.toml").write_text(TINY)
    one_sentence(call("run", "mine.toml", "--database", url), 2, "names no file")


@pytest.mark.parametrize("option", ["--data", "--submissions", "--suites"])
def test_a_file_for_a_folder(option: str, call: Any) -> None:
    Path("file").write_text("")
    result = call("run", "mine.toml", option, "file")
    assert result.code == 2
    assert "is a file" in result.err
    assert "Traceback" not in result.err


def test_a_name_that_is_too_long_and_brackets(call: Any) -> None:
    assert "unknown suite" in call("run", "x" * 5000).err
    assert "does not exist" in call("run", f"{'x' * 5000}.toml").err
    call("new", "mine")
    manifest = Path("submissions/mine/submission.toml")
    manifest.write_text(re.sub('title = ".*"', 'title = "a [/red] title"', manifest.read_text()))
    assert "a [/red] title" in call("methods").out


def fail_to_read(*_arguments: object, **_options: object) -> NoReturn:
    raise OSError(5, "Input/output error", "disk")


def test_what_the_system_refuses_is_one_sentence(broken_run: Any) -> None:
    result = broken_run(fail_to_read)
    assert result.code == 1
    assert result.err.endswith("unlearnbench: [Errno 5] Input/output error: 'disk'\n")


def test_a_damaged_store_is_one_sentence(call: Any) -> None:
    from unlearnbench.store.store import Store

    Store("results.db").engine.dispose()
    content = bytearray(Path("results.db").read_bytes())
    content[4096:] = bytes(byte ^ 255 for byte in content[4096:])
    Path("results.db").write_bytes(content)
    result = call("show", "mine", "--database", "results.db")
    assert result.code in (1, 2)
    one_sentence(result, result.code, "")


def interrupt(*_arguments: object, **_options: object) -> NoReturn:
    raise KeyboardInterrupt


def break_down(*_arguments: object, **_options: object) -> NoReturn:
    raise HarnessError("the server is gone")


@pytest.fixture
def broken_run(call: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call `run` with an engine that raises."""
    call("new", "mine")
    Path("mine.toml").write_text(TINY)

    def run(raising: Any) -> Result:
        monkeypatch.setattr("unlearnbench.running.run.run_suite", raising)
        result: Result = call("run", "mine.toml")
        return result

    return run


def test_an_interrupted_run_says_that_its_results_are_stored(broken_run: Any) -> None:
    result = broken_run(interrupt)
    assert result.code == 130
    assert "Every finished trial is stored" in result.err
    assert "Traceback" not in result.err


def test_a_failure_of_the_harness_exits_1(broken_run: Any) -> None:
    result = broken_run(break_down)
    assert result.code == 1
    assert result.err.endswith("unlearnbench: the server is gone\n")


def test_from_a_template_to_a_leaderboard(call: Any) -> None:
    """new, run, run again, show, leaderboard; a failing variant is a result, not a failure of the run."""
    call("new", "mine")
    with Path("submissions/mine/submission.toml").open("a") as file:
        file.write('\n[variants.broken]\nrate = "fast"\n')
    Path("tiny.toml").write_text(TINY)
    first = call("run", "tiny.toml", "--method", "mine", "--method", "mine/broken")
    assert first.code == 0, first.err
    assert "8 trials run" in first.out
    assert "4 failed; 0 already stored" in first.out
    assert "unlearnbench leaderboard tiny --out build/leaderboard" in first.out
    again = call("run", "tiny.toml", "--method", "mine", "--method", "mine/broken")
    assert again.code == 0
    assert "0 trials run" in again.out
    assert "8 already stored" in again.out
    from sqlalchemy import create_engine, text

    with create_engine("sqlite:///data/unlearnbench.db").connect() as connection:
        key = connection.execute(text("SELECT key FROM trials WHERE state = 'finished'")).scalar()
    repeated = call("rerun", key[:16])
    assert repeated.code == 0, repeated.out + repeated.err
    assert "The same results." in repeated.out
    shown = call("show", "mine", "--suite", "tiny")
    assert shown.code == 0, shown.err
    one_sentence(call("show", "yours", "--suite", "tiny"), 2, "yours")
    one_sentence(call("show", "mine"), 2, "digits", "tiny")
    ranked = call("table", "tiny", "--out", "made/table.csv", "--format", "csv", "--by", "corruption")
    assert (ranked.code, ranked.out) == (0, "written to made/table.csv\n")
    assert Path("made/table.csv").read_text().count("\n") == 1 + 2 * 2
    compared = call("compare", "mine", "mine/broken", "--suite", "tiny")
    assert compared.code == 0, compared.err
    assert "mine minus mine/broken" in compared.out
    one_sentence(call("compare", "mine", "yours", "--suite", "tiny"), 2, "no trials of method 'yours'", "mine/broken")
    one_sentence(call("compare", "mine", "mine", "--suite", "tiny"), 2, "cannot be compared with itself")
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


@pytest.fixture
def measured(call: Any) -> Any:
    """Three methods, run: their suite lies in the folder `suites`."""
    for name in ("mine", "yours"):
        call("new", name)
    Path("suites").mkdir()
    Path("suites/tiny.toml").write_text(TINY.replace("seeds = [0]", "seeds = [0, 1]"))
    result = call("run", "tiny", "--seed", "0", "--rate", "0.5", "--corruption", "random-swap")
    assert result.code == 0, result.err
    assert "2 trials run" in result.out
    return call


def test_a_part_of_the_grid_is_run_and_the_rest_when_it_is_asked_for(measured: Any) -> None:
    again = measured("run", "tiny", "--seed", "0", "--rate", "0.5", "--corruption", "random-swap")
    assert "0 trials run" in again.out
    more = measured("run", "tiny", *("--seed", "0", "--seed", "1"), *("--rate", "0.5", "--rate", "1.0"))
    assert "14 trials run" in more.out, "2 methods x 2 corruptions x 2 rates x 2 seeds, without those that are stored"


def of_csv(call: Any, *options: str) -> Any:
    import pandas as pd

    result = call("table", "tiny", "--format", "csv", *options)
    assert result.code == 0, result.err
    return pd.read_csv(io.StringIO(result.out))


def test_what_is_shown_is_of_the_part_that_is_asked_for(measured: Any, tmp_path: Path) -> None:
    part = ("--seed", "0", "--rate", "0.5", "--corruption", "random-swap")
    assert of_csv(measured)[["seeds", "missing"]].to_numpy().tolist() == [[0, 3]] * 2
    assert of_csv(measured, *part)[["seeds", "missing"]].to_numpy().tolist() == [[1, 0]] * 2
    assert of_csv(measured, "--by", "corruption")["corruption"].tolist() == ["poison-trigger"] * 2 + ["random-swap"] * 2
    shown = " ".join(measured("show", "mine", "--suite", "tiny").out.split())
    assert "not run" in shown
    assert "High" in shown
    shown = " ".join(measured("show", "mine", "--suite", "tiny", *part).out.split())
    assert "not run" not in shown
    assert "High" not in shown
    assert "One seed: a demonstration, not a ranking." in shown
    for name, options in {"all": (), "part": part}.items():
        drawn = measured("plot", "maps", "tiny", "--out", f"{name}.svg", *options)
        assert drawn.code == 0, drawn.err
    assert len(Path("part.svg").read_text()) < len(Path("all.svg").read_text())
    written = measured("leaderboard", "tiny", "--out", "drawn", *part)
    assert written.code == 0, written.err
    assert len(Path("drawn/trials.csv").read_text().splitlines()) == 1 + 2


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--seed", "7"), ("has no 7 among its seeds; there are: 0, 1",)),
        (("--rate", "0.3"), ("has no 0.3 among its discovery_rates; there are: 0.5, 1.0",)),
        (("--corruption", "class-swap"), ("has no class-swap among its corruptions; there are: random-swap",)),
    ],
)
def test_a_part_that_is_not_in_the_grid_is_one_sentence(
    option: tuple[str, str], words: tuple[str, ...], measured: Any
) -> None:
    for verb in (
        ("run", "tiny"),
        ("leaderboard", "tiny", "--out", "x"),
        ("table", "tiny"),
        ("show", "mine", "--suite", "tiny"),
        ("plot", "maps", "tiny", "--out", "x.svg"),
    ):
        one_sentence(measured(*verb, *option), 2, "suite 'tiny'", *words)
    assert not list(Path().glob("x*"))


def test_what_is_not_on_the_board_is_said_beside_it_with_the_command_that_renews_it(measured: Any) -> None:
    file = Path("suites/tiny.toml")
    file.write_text(file.read_text().replace("learning_rate = 0.01", "learning_rate = 0.02"))
    stale = measured("table", "tiny")
    one_sentence(stale, 2, "no record of suite 'tiny' is current", "mine: budget.learning_rate 0.01 instead of 0.02")
    part = ("--seed", "0", "--rate", "0.5", "--corruption", "random-swap")
    assert measured("run", "tiny", "--method", "mine", *part).code == 0
    said = "not on the board: 1 record of {}, budget.learning_rate 0.01 instead of 0.02: unlearnbench run tiny"
    for verb in (("table", "tiny"), ("leaderboard", "tiny", "--out", "drawn")):
        result = measured(*verb, *part)
        assert result.code == 0
        assert result.err.splitlines() == [f"{said.format(name)} --method {name}" for name in ("mine", "yours")]
        assert "yours" not in result.out


def test_what_is_stored_is_looked_at_checked_exported_and_merged(call: Any) -> None:
    """run on two machines, then all that `store` does with what they stored."""
    call("new", "mine")
    Path("tiny.toml").write_text(TINY)
    for machine in ("a.db", "b.db"):
        assert call("run", "tiny.toml", "--method", "mine", "--database", machine).code == 0
    looked = call("store", "info", "a.db")
    assert looked.code == 0, looked.err
    for line in ("schema version: ", "runs: 1\n", "trials: 4\n", "methods: mine\n", "torch "):
        assert line in looked.out
    checked = call("store", "recompute", "a.db")
    assert (checked.code, checked.out) == (0, "4 finished trials recomputed\n"), checked.err
    for form in ("csv", "jsonl", "parquet"):
        written = call("store", "export", "a.db", "--format", form, "--out", f"out/trials.{form}", "--suite", "tiny")
        assert (written.code, written.out) == (0, f"4 trials written to out/trials.{form}\n"), written.err
        assert Path(f"out/trials.{form}").stat().st_size > 1000
    merged = call("store", "merge", "a.db", "b.db", "--into", "all.db")
    assert merged.code == 0, merged.err
    assert merged.out == "a.db: 4 trials added, 0 known already\nb.db: 0 trials added, 4 known already\n"
    assert "runs: 2\n" in call("store", "info", "all.db").out
    assert call("store", "upgrade", "all.db").out.startswith("schema version ")

    with sqlite3.connect("b.db") as connection:
        connection.execute("UPDATE trials SET utility = utility + 0.25 WHERE key = (SELECT min(key) FROM trials)")
    connection.close()
    checked = call("store", "recompute", "b.db")
    assert checked.code == 1
    assert "mine" in checked.out
    assert "utility" in checked.out
    assert checked.err == "stored values that are not what the stored predictions say: 1\n"
    broken = call("store", "merge", "b.db", "none.db", "--into", "all.db")
    assert broken.code == 2
    assert "utility" in broken.out, "what was found before something else went wrong is shown"
    merged = call("store", "merge", "b.db", "--into", "all.db")
    assert merged.code == 1
    assert "utility" in merged.out
    assert merged.err == "1 conflict: all.db keeps what it said; all else was merged\n"
    assert call("store", "recompute", "all.db").code == 0, "the planted error was not taken over"


def test_an_old_store_is_upgraded_when_it_is_told_to(call: Any) -> None:
    with sqlite3.connect("old.db") as connection:
        connection.executescript((ROOT / "tests/store/v1.sql").read_text())
    connection.close()
    remedy = "run `unlearnbench store upgrade sqlite:///old.db`"
    one_sentence(call("store", "info", "old.db"), 2, "schema version 1", remedy)
    one_sentence(call("store", "merge", "old.db", "--into", "new.db"), 2, remedy)
    assert call("store", "upgrade", "sqlite:///old.db").out.startswith("upgraded from schema version 1 to ")
    assert "13 trials added" in call("store", "merge", "old.db", "--into", "new.db").out
    checked = call("store", "recompute", "new.db", "--suite", "tiny")
    assert (checked.code, checked.out) == (
        0,
        "8 finished trials recomputed; 8 were recorded without a selection score\n",
    )


@pytest.mark.parametrize("verb", ["info", "export", "recompute", "upgrade", "merge"])
def test_there_must_be_a_store(verb: str, call: Any) -> None:
    options = {"export": ("--out", "x.csv"), "merge": ("--into", "all.db")}.get(verb, ())
    one_sentence(call("store", verb, "none.db", *options), 2, "no results database at none.db")
    assert not Path("none.db").exists()
