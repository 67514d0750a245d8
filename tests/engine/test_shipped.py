"""Every submission that ships finishes behind the real boundary, on every kind of corruption."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlearnbench.engine.submissions import discover
from unlearnbench.engine.validate import validate

FOLDER = Path(__file__).parents[2] / "submissions"


@pytest.mark.parametrize("name", sorted({item.name for item in discover(FOLDER) if item.folder is not None}))
def test_it_passes_its_own_check(name: str) -> None:
    for check in validate(FOLDER / name, workers=2):
        assert check.ok, check.reason
