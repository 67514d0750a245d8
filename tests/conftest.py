"""A suite that trains in a second and submissions written on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unlearnbench.engine.submissions import Submission, read
from unlearnbench.method import Budget, Recipe
from unlearnbench.problem.suite import CorruptionSettings, Limits, Model, Suite
from unlearnbench.store.store import Store

HEADER = "import os, signal, sys, time\nimport torch\nfrom unlearnbench import UnlearningMethod\n\n"


@pytest.fixture
def tiny_suite() -> Suite:
    return Suite(
        name="tiny",
        title="Tiny",
        dataset="digits",
        corruptions=("poison-trigger",),
        discovery_rates=(0.5,),
        seeds=(0,),
        train_size=200,
        test_size=60,
        corruption=CorruptionSettings(size=20),
        model=Model(width=0.05),
        recipe=Recipe(steps=6, batch_size=50, peak_learning_rate=0.05, crop_padding=1, flip=False),
        budget=Budget(steps=4, batch_size=50, learning_rate=0.01),
        limits=Limits(seconds=60, memory_gib=4),
    )


@pytest.fixture
def make_submission(tmp_path: Path) -> Callable[..., Submission]:
    """Write a submission whose `unlearn` has this body."""

    def make(name: str, body: str, *, needs: bool = False, before: str = "") -> Submission:
        folder = tmp_path / "submissions" / name
        folder.mkdir(parents=True)
        (folder / "submission.toml").write_text(
            f'name = "{name}"\ntitle = "{name}"\nauthors = ["A"]\npaper = ""\nlicense = "Apache-2.0"\n'
            f'entry = "method:Method"\n[needs]\ncorrupted_indices = {str(needs).lower()}\n[variants.default]\n'
        )
        lines = "\n".join(f"        {line}" for line in body.splitlines())
        method = f"class Method(UnlearningMethod):\n    def unlearn(self, problem):\n{lines}\n"
        (folder / "method.py").write_text(f"{HEADER}{before}\n{method}")
        return read(folder)[0]

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "results.db"))
