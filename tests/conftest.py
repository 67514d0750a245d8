"""A suite that trains in a second, submissions written on the spot, and databases to store their trials in."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tests import shared_server
from tests.next_revision import next_version  # noqa: F401  a fixture
from tests.postgresql import program, server
from tests.shared_server import SharedServer
from tests.small_store import measured, small, small_of_module, stored  # noqa: F401  fixtures
from tests.submission import written
from tests.tiny import tiny
from unlearnbench.boundary import boundary
from unlearnbench.problems.suite import Suite
from unlearnbench.report.numbers.board import Board
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission

TESTS = Path(__file__).parent
SLOW = ("running", "boundary", "cli", "verify", "tuning", "benchmarks")
"""The folders whose tests run trials, the slowest first."""
FORKS = TESTS / "contract/test_loader.py"
"""Forks workers of a `DataLoader`. They crash on Python 3.13 in a process that has been part of a Ray cluster."""
OWN_SERVERS = "boundary"
"""The folder whose tests are about the process that trials are forked from: each run starts its own there."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what may not come after Ray, then the longest files, so that several workers end together."""
    place = {name: index for index, name in enumerate(SLOW)}
    items.sort(key=lambda item: (item.path != FORKS, place.get(item.path.relative_to(TESTS).parts[0], len(SLOW))))


@pytest.fixture(autouse=True, scope="module")
def _environment() -> Iterator[None]:
    """Take back what a module's tests, or the libraries they use, leave in the environment of the next module."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True, scope="module")
def _servers(request: pytest.FixtureRequest) -> Iterator[None]:
    """One server for run after run, except in `OWN_SERVERS`."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.relative_to(TESTS).parts[0] != OWN_SERVERS:
            patch.setattr(boundary, "Server", SharedServer)
        yield


@pytest.fixture(autouse=True, scope="session")
def _end_servers() -> Iterator[None]:
    yield
    shared_server.end_all()


@pytest.fixture
def tiny_suite() -> Suite:
    return tiny()


@pytest.fixture
def make_submission(tmp_path: Path) -> Callable[..., Submission]:
    """Write a submission whose `unlearn` has this body."""
    return partial(written, tmp_path / "submissions")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaderboards whose figures are only named, for tests of what else is in them: drawing takes seconds."""

    def named(board: Board, methods: list[str], folder: Path) -> list[Path]:
        return [folder / "maps.svg", folder / "healing.svg"]

    monkeypatch.setattr("unlearnbench.report.leaderboard._write_figures", named)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "results.db"))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server that was started for these tests."""
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
