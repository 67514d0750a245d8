"""The verbs of authors: new, validate, methods, suites."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Call, one_sentence
from tests.tiny import tiny_toml
from unlearnbench.problems.identity import conditions
from unlearnbench.problems.suite_file import parse
from unlearnbench.system import shipped
from unlearnbench.verify import validate


@pytest.mark.parametrize("name", ["Mine", "1st", "my-method", "../mine", "", "mine\n", "m" * 81])
def test_bad_name(name: str, call: Call) -> None:
    result = call("new", name)
    assert result.code == 2
    assert "is not a valid method name" in result.err
    assert not Path("submissions").exists()


def test_a_taken_name_is_refused(call: Call) -> None:
    assert call("new", "mine").code == 0
    Path("submissions/mine/method.py").write_text("my work")
    one_sentence(call("new", "mine"), 2, "submissions/mine exists already")
    assert Path("submissions/mine/method.py").read_text() == "my work"


def test_validate_needs_a_submission(call: Call) -> None:
    one_sentence(call("validate", "nothing"), 2, "no submission.toml in nothing")


def test_validate_exits_1_when_a_variant_fails(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [
        validate.Validation("mine", 0.5, 1.5, None),
        validate.Validation("mine/slow", 60.0, None, "timeout: over 60 s"),
    ]
    monkeypatch.setattr(validate, "validate", lambda place, **options: checks)
    result = call("validate", "mine")
    assert result.code == 1
    assert result.out == "mine: ok, 0.5 s, samples / budget 1.50 (over)\nmine/slow: failed: timeout: over 60 s\n"


def test_methods_and_suites_are_listed(call: Call) -> None:
    call("new", "mine")
    Path("suites").mkdir()
    Path("suites/tiny.toml").write_text(tiny_toml(discovery_rates=[0.3, 0.5, 0.9]))
    assert "mine" in call("methods").out
    (line,) = (line for line in call("suites").out.splitlines() if "tiny" in line)
    assert "3" in re.findall(r"\d+", line)


def test_what_is_broken_is_listed_and_stops_no_other(call: Call) -> None:
    call("new", "mine")
    for folder, file in (("submissions/draft", "submission.toml"), ("suites", "draft.toml")):
        Path(folder).mkdir()
        Path(folder, file).write_text('name = "dra')
    Path("suites/tiny.toml").write_text(tiny_toml())
    for clutter in ("._tiny.toml", ".#tiny.toml"):
        Path("suites", clutter).symlink_to("nowhere")
    for command, name in (("methods", "mine"), ("suites", "tiny")):
        result = call(command)
        assert result.code == 0
        rows = [line for line in result.out.splitlines() if line.startswith("\N{BOX DRAWINGS LIGHT VERTICAL}")]
        assert any(name in row for row in rows)
        assert any("broken" in row and "draft" in row and "not a readable TOML" in row for row in rows)
        assert "nowhere" not in result.out
        assert "._" not in result.out
    one_sentence(call("run", "tiny", "--method", "draft"), 2, "draft/submission.toml: not a readable TOML file")
    one_sentence(call("run", "draft", "--method", "mine"), 2, "suites/draft.toml: not a readable TOML file")


def test_a_new_suite_says_only_what_differs(call: Call) -> None:
    Path("suites").mkdir()
    one_sentence(call("new-suite", "my-suite"), 2, "unknown suite 'digits' in suites")
    shutil.copy(Path(__file__).parents[2] / "suites" / "digits.toml", "suites")
    assert call("new-suite", "my-suite").code == 0
    mine, digits = parse(Path("suites/my-suite.toml")), parse(Path("suites/digits.toml"))
    assert (mine.name, mine.title, mine.seeds) == ("my-suite", "My suite", (0, 1, 2))
    assert conditions(mine) == conditions(digits)
    before = Path("suites/my-suite.toml").read_text()
    one_sentence(call("new-suite", "my-suite"), 2, "suites/my-suite.toml exists already")
    assert Path("suites/my-suite.toml").read_text() == before
    for name in ("", "../mine", "my suite", ".mine", "x" * 101, 'mine"'):
        one_sentence(call("new-suite", name), 2, "is not a valid suite name")
    assert sorted(path.name for path in Path("suites").iterdir()) == ["digits.toml", "my-suite.toml"]


def test_a_suite_that_comes_with_the_package_keeps_its_name(call: Call, tmp_path: Path) -> None:
    """A file of that name that extends it would extend itself."""
    theirs = shipped.INSIDE / "suites"
    theirs.mkdir()
    shutil.copy(Path(__file__).parents[2] / "suites" / "digits.toml", theirs)
    try:
        one_sentence(call("new-suite", "digits"), 2, "'digits' is the name of a suite that comes with unlearnbench")
        assert not Path("suites").exists()
    finally:
        shutil.rmtree(theirs)


def test_what_nobody_else_could_load_is_not_run(call: Call) -> None:
    """A seed of a board is dumped to a file that is never rewritten, so what a run stores can be loaded."""
    Path("tiny.toml").write_text(tiny_toml())
    call("new", "mine")
    manifest = Path("submissions/mine/submission.toml")
    ours = manifest.read_text()
    for key, value in {"title": r'"a\nb"', "paper": f'"https://{"x" * 3000}"', "authors": r'["\u001b[31m"]'}.items():
        lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in ours.splitlines()]
        manifest.write_text("\n".join(lines))
        one_sentence(call("run", "tiny.toml"), 2, "submission 'mine': ", key)
    manifest.write_text(ours + '\n[variants.long]\nrate = "' + 3000 * "x" + '"\n')
    one_sentence(call("run", "tiny.toml", "--method", "mine/long"), 2, "submission 'mine': hyperparameters")


def test_a_corruption_named_twice_is_refused(call: Call) -> None:
    Path("tiny.toml").write_text(tiny_toml(corruptions=["random-swap", "random-swap"]))
    one_sentence(call("run", "tiny.toml"), 2, "corruptions has duplicate values")


def test_a_copy_of_a_suite_needs_a_name_of_its_own(call: Call) -> None:
    """Records of both would be ranked as one suite."""
    call("new", "mine")
    Path("suites").mkdir()
    for name in ("tiny", "copy"):
        Path(f"suites/{name}.toml").write_text(tiny_toml())
    sentence = "suites/copy.toml: name 'tiny' must be that of its file, 'copy'"
    one_sentence(call("run", "copy"), 2, sentence)
    one_sentence(call("run", "suites/copy.toml"), 2, sentence)
    (line,) = (line for line in call("suites").out.splitlines() if "copy" in line)
    assert sentence in line
    assert "broken" in line


def test_brackets_in_a_title_are_no_markup(call: Call) -> None:
    call("new", "mine")
    manifest = Path("submissions/mine/submission.toml")
    manifest.write_text(re.sub('title = ".*"', 'title = "a [/red] title"', manifest.read_text()))
    assert "a [/red] title" in call("methods").out
