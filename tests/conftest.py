"""A suite that trains in a second and submissions written on the spot."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from unlearnbench import Budget, Recipe
from unlearnbench.problems.suite import CorruptionSettings, Limits, Model, Suite
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, read

sys.path.insert(0, str(Path(__file__).parent))  # for `commands`, `postgresql` and others
from next_revision import next_version  # noqa: F401
from small_store import small, small_of_module, stored  # noqa: F401  fixtures

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
            f'entry = "method:Method"\n[needs]\ncorrupted_indices = {str(needs).lower()}\n'
        )
        lines = "\n".join(f"        {line}" for line in body.splitlines())
        method = f"class Method(UnlearningMethod):\n    def unlearn(self, problem):\n{lines}\n"
        (folder / "method.py").write_text(f"{HEADER}{before}\n{method}")
        return read(folder)[0]

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "results.db"))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server that was started for these tests."""
    from postgresql import program, server

    if program("initdb") is None:
        reason = "PostgreSQL's server is not installed (Debian: postgresql)"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    with server() as url:
        yield url


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def postgresql(postgresql_server: str, numbers: Iterator[int]) -> str:
    """The URL of an empty place on PostgreSQL: a schema of its own, which is much cheaper than a database."""
    name = f"test{next(numbers)}"
    engine = create_engine(postgresql_server)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    engine.dispose()
    return f"{postgresql_server}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that is not there yet, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'results.db'}"
    url: str = request.getfixturevalue("postgresql")
    return url
