"""The program, called in a folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.tiny import tiny_toml
from unlearnbench import cli
from unlearnbench.system import shipped


class Result(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Result]
PART = ("--seed", "0", "--rate", "0.5", "--corruption", "random-swap")
"""The one problem of the suite that `measured` has run."""


def one_sentence(result: Result, code: int, *words: str) -> None:
    assert result.code == code
    assert result.err.startswith("unlearnbench: ")
    assert result.err.count("\n") == 1
    for word in words:
        assert word in result.err


def called(*arguments: str) -> int:
    """Call the program here: its exit code."""
    with pytest.raises(SystemExit) as end:
        cli.main(list(arguments))
    return int(end.value.code or 0)


@pytest.fixture(autouse=True, scope="module")
def nothing_shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A package that comes without suites and submissions: a test runs its own only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "INSIDE", tmp_path_factory.mktemp("shipped"))
        yield


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the program is called in. It is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(place: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the program there."""

    def call_with(*arguments: str) -> Result:
        code = called(*arguments)
        return Result(code, *capsys.readouterr())

    return call_with


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two methods and a suite of eight problems, which were run on one of them."""
    folder = tmp_path_factory.mktemp("run")
    suite = tiny_toml(corruptions=["random-swap", "poison-trigger"], discovery_rates=[0.5, 1.0], seeds=[0, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("mine", "yours"):
            assert called("new", name) == 0
        (folder / "suites").mkdir()
        (folder / "suites/tiny.toml").write_text(suite)
        assert called("run", "tiny", *PART) == 0
    return folder


@pytest.fixture
def measured(run_once: Path, place: Path, call: Call) -> Call:
    """Call the program in a copy of that folder."""
    shutil.copytree(run_once, place, dirs_exist_ok=True)
    return call
