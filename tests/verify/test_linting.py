"""A submission of a checkout is linted as CI will, and one elsewhere is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlearnbench.submissions.template import start
from unlearnbench.verify import linting
from unlearnbench.verify.linting import LINTERS, checkout_of, lint

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "unlearnbench").symlink_to(ROOT / "unlearnbench")
    return tmp_path


def test_what_ci_would_say_is_said(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linting, "LINTERS", LINTERS[:2])  # mypy reads torch first, which takes long
    folder = start("mine", checkout / "submissions")
    assert checkout_of(folder) == checkout
    assert lint(folder) == []
    (folder / "method.py").write_text("import os\n\n\ndef nothing(x) :\n    return x\n")
    check, form = lint(folder)
    assert check.startswith("ruff check --quiet:\nF401")
    assert form.startswith("ruff format --check")


@pytest.mark.slow
def test_types_are_checked(checkout: Path) -> None:
    folder = start("mine", checkout / "submissions")
    assert lint(folder) == []
    (folder / "method.py").write_text("def nothing(x):\n    return x\n")
    (types,) = lint(folder)
    assert "Function is missing a type annotation" in types


def test_elsewhere_the_settings_are_not_there(tmp_path: Path, checkout: Path) -> None:
    folder = start("mine", tmp_path / "elsewhere" / "submissions")
    (folder / "method.py").write_text("import os\n")
    assert checkout_of(folder) is None
    assert lint(folder) == []
    (checkout / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert checkout_of(start("mine", checkout / "submissions")) is None
