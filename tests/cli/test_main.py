"""The program as a whole: its help, and how it ends when something fails."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from typer.main import get_command

from tests.cli.conftest import Call, Result, one_sentence
from tests.commands import COMMANDS
from tests.tiny import tiny_toml
from unlearnbench.cli.common import app
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.report.figures import KINDS
from unlearnbench.report.figures.style import UNDATED
from unlearnbench.store.store import Store

Broken = Callable[[Callable[..., NoReturn]], Result]


def test_nothing_heavy_is_imported_for_help() -> None:
    heavy = {"torch", "pandas", "seaborn", "matplotlib", "sqlalchemy", "pydantic", "numpy", "scipy"}
    code = f"import sys, unlearnbench.cli; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_and_every_option_has_help(verb: str, call: Call) -> None:
    assert call(*verb.split(), "--help").code == 0
    assert COMMANDS[verb].help
    for parameter in COMMANDS[verb].params:
        assert parameter.help, parameter.name


def shown(text: str) -> str:
    """What is to be read of a rendered text: its words, without frames and marks of markup."""
    return " ".join(re.sub("[\u2500-\u257f]", " ", text.replace("`", "")).split())


@pytest.mark.parametrize("verb", ["", *COMMANDS])
def test_help_shows_every_word(verb: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Markup must swallow nothing, such as a `[search]` that could be a style."""
    monkeypatch.setenv("COLUMNS", "1000")  # nothing is wrapped
    printed = shown(call(*verb.split(), "--help").out)
    command = COMMANDS.get(verb, get_command(app))
    for parameter in command.params:
        assert shown(parameter.help) in printed, parameter.name
    for paragraph in (command.help or "").split("\n\n"):
        assert shown(paragraph) in printed


def test_brackets_in_help_are_text(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert "Name of a method with a [search] table." in call("tune", "--help").out


def test_the_program_says_its_version_and_completes_and_is_a_module(call: Call) -> None:
    version = importlib.metadata.version("unlearnbench")
    said = f"unlearnbench {version}, protocol {PROTOCOL_VERSION}\n"
    assert call("--version") == (0, said, "")
    module = [sys.executable, "-m", "unlearnbench", "--version"]
    assert subprocess.run(module, capture_output=True, text=True, check=True).stdout == said
    for arguments in (("-h",), ("store", "-h"), ("store", "merge", "-h")):
        assert call(*arguments) == call(*arguments[:-1], "--help")
    typed = {"_UNLEARNBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "unlearnbench ta", "COMP_CWORD": "1"}
    done = subprocess.run(module[:-1], env=os.environ | typed, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["table"]


def test_every_verb_is_given_its_store_in_one_way() -> None:
    for verb, command in COMMANDS.items():
        for parameter in command.params:
            if parameter.metavar == "URL":
                assert parameter.opts == ["--database"], verb


def test_an_empty_folder_is_not_an_empty_table(call: Call) -> None:
    one_sentence(call("suites"), 2, "no suite files (*.toml) in suites: choose another folder with --suites")
    one_sentence(call("methods"), 2, "no submissions in submissions, and none installed: choose another folder")


def test_help_names_every_figure_and_format(call: Call) -> None:
    printed = " ".join(call("plot", "--help").out.split())
    for name in (*KINDS, *UNDATED):
        assert name in printed


@pytest.fixture
def broken_run(call: Call, monkeypatch: pytest.MonkeyPatch) -> Broken:
    """Call `run` with an engine that raises."""
    call("new", "mine")
    Path("tiny.toml").write_text(tiny_toml())

    def run(raising: Callable[..., NoReturn]) -> Result:
        monkeypatch.setattr("unlearnbench.running.run.run_suite", raising)
        return call("run", "tiny.toml")

    return run


def fail_to_read(*_arguments: object, **_options: object) -> NoReturn:
    raise OSError(5, "Input/output error", "disk")


def test_what_the_system_refuses_is_one_sentence(broken_run: Broken) -> None:
    result = broken_run(fail_to_read)
    assert result.code == 1
    assert result.err.endswith("unlearnbench: disk: Input/output error\n")


@pytest.mark.parametrize("kind", [HarnessError, UsageError, OSError])
def test_no_error_controls_the_terminal_or_says_more_than_one_line(broken_run: Broken, kind: type[Exception]) -> None:
    def fail(*_arguments: object, **_options: object) -> NoReturn:
        raise kind("bad title \x1b]8;;http://x\x07\u202etitle\nunlearnbench: all is well")

    result = broken_run(fail)
    assert result.err.endswith("title unlearnbench: all is well\n")
    assert "unlearnbench: bad title \ufffd]8;;http://x\ufffd\ufffdtitle" in result.err
    assert result.err.count("\n") == 1


def test_a_traceback_does_not_control_the_terminal_either(broken_run: Broken) -> None:
    def fail(*_arguments: object, **_options: object) -> NoReturn:
        raise ZeroDivisionError("\x1b[2J")

    result = broken_run(fail)
    assert result.code == 1
    assert "Traceback" in result.err
    assert result.err.endswith("ZeroDivisionError: \ufffd[2J\n")


def interrupt(*_arguments: object, **_options: object) -> NoReturn:
    raise KeyboardInterrupt


def test_an_interrupted_run_says_that_its_results_are_stored(broken_run: Broken) -> None:
    result = broken_run(interrupt)
    assert result.code == 130
    assert "Every finished trial is stored" in result.err
    assert "Traceback" not in result.err


def break_down(*_arguments: object, **_options: object) -> NoReturn:
    raise HarnessError("the server is gone")


def test_a_failure_of_the_harness_exits_1(broken_run: Broken) -> None:
    result = broken_run(break_down)
    assert result.code == 1
    assert result.err.endswith("unlearnbench: the server is gone\n")


def test_a_damaged_store_is_one_sentence(call: Call) -> None:
    Store("results.db").engine.dispose()
    content = bytearray(Path("results.db").read_bytes())
    content[4096:] = bytes(byte ^ 255 for byte in content[4096:])
    Path("results.db").write_bytes(content)
    result = call("show", "mine", "--database", "results.db")
    assert result.code in (1, 2)
    one_sentence(result, result.code, "")
