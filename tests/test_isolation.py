"""Whatever runs the code of submissions takes the level to isolate it at, and passes it on."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import unlearnbench
from tests.cli.conftest import called, nothing_shipped  # noqa: F401  the latter is a fixture
from tests.commands import COMMANDS
from tests.tiny import tiny_toml
from unlearnbench import library
from unlearnbench.verify.validate import validate

PACKAGE = Path(unlearnbench.__file__).parent
RUNNING = {
    "run": ("run", "tiny.toml"),
    "tune": ("tune", "mine", "--suite", "tiny.toml"),
    "check": ("check", "--against", "baseline.csv", "tiny.toml"),
    "rerun": ("rerun", "KEY"),
    "validate": ("validate", "submissions/mine"),
}
"""The commands that run submissions."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a method, a suite, its results and their baseline."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert called("new", "mine") == 0
        with Path("submissions/mine/submission.toml").open("a") as file:
            file.write("\n[search]\nrate = { low = 0.001, high = 0.1 }\n")
        Path("tiny.toml").write_text(tiny_toml())
        assert called("run", "tiny.toml") == 0
        assert called("baseline", "tiny", "--out", "baseline.csv") == 0
    return folder


@pytest.mark.parametrize("name", RUNNING)
def test_a_level_that_cannot_be_had_is_refused_and_not_replaced(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    key = Path("baseline.csv").read_text().splitlines()
    found = dict(zip(key[0].split(","), key[1].split(","), strict=False))["trial"]
    monkeypatch.setenv("PATH", "")
    code = called(*(found if word == "KEY" else word for word in RUNNING[name]), "--isolation", "strict")
    assert code == 2
    assert "isolation 'strict' needs bubblewrap" in capsys.readouterr().err


def test_every_command_and_function_that_runs_submissions_takes_a_level() -> None:
    """`leaderboard` and `export` choose records by their level."""
    options = {name: {option for item in command.params for option in item.opts} for name, command in COMMANDS.items()}
    assert {name for name, found in options.items() if "--isolation" in found} >= RUNNING.keys()
    for function in (library.run, library.tune, library.check, library.rerun, validate):
        assert "isolation" in inspect.signature(function).parameters, function.__name__


def test_every_call_that_runs_trials_says_at_which_level() -> None:
    calls = [
        (file.relative_to(PACKAGE).as_posix(), node)
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("run_suite", "search")
    ]
    assert {file for file, _ in calls} >= {"library/running.py", "verify/checking.py", "verify/validate.py"}
    for file, call in calls:
        assert "isolation" in {keyword.arg for keyword in call.keywords}, f"{file}, line {call.lineno}"
