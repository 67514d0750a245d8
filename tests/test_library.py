"""docs/library.md: its examples give what it says, and it names a call for every command."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

import unlearnbench
from tests.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/library.md"
SOURCE = ROOT / "unlearnbench/__init__.py"


def test_the_examples_give_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # suites and submissions are those that come with the package
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried > 10
    assert failed == 0


def test_every_name_has_its_type_and_is_listed() -> None:
    """Names come lazily, and type checkers read another list of them."""
    (types,) = (node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    typed = {alias.name for node in types.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == set(unlearnbench.__all__) <= set(dir(unlearnbench))
    assert [name for name in unlearnbench.__all__ if not hasattr(unlearnbench, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'ruin'"):
        _ = unlearnbench.ruin


def test_every_command_has_its_call() -> None:
    rows = re.findall(r"^\| `([\w -]+)` \| `([^`]+)`", PAGE.read_text(), flags=re.MULTILINE)
    assert [name for name, _ in rows if name not in COMMANDS] == []
    assert set(COMMANDS) == {name for name, _ in rows}
    for _, call in rows:
        path = call.partition("(")[0].removeprefix("unlearnbench.")
        module, _, name = path.rpartition(".")
        found = importlib.import_module(f"unlearnbench.{module}".rstrip("."))
        getattr(found, name)
