"""The program as a whole: its help, and how it ends when something fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.cli.conftest import Call, Result, one_sentence
from tests.commands import COMMANDS
from tests.tiny import tiny_toml
from unlearnbench.errors import HarnessError, UsageError
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


def test_help_names_every_figure_and_format(call: Call) -> None:
    printed = " ".join(call("plot", "--help").out.split())
    for name in (*KINDS, *UNDATED):
        assert name in printed


@pytest.fixture
def broken_run(call: Call, monkeypatch: pytest.MonkeyPatch) -> Broken:
    """Call `run` with an engine that raises."""
    call("new", "mine")
    Path("mine.toml").write_text(tiny_toml())

    def run(raising: Callable[..., NoReturn]) -> Result:
        monkeypatch.setattr("unlearnbench.running.run.run_suite", raising)
        return call("run", "mine.toml")

    return run


def fail_to_read(*_arguments: object, **_options: object) -> NoReturn:
    raise OSError(5, "Input/output error", "disk")


def test_what_the_system_refuses_is_one_sentence(broken_run: Broken) -> None:
    result = broken_run(fail_to_read)
    assert result.code == 1
    assert result.err.endswith("unlearnbench: [Errno 5] Input/output error: 'disk'\n")


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
