"""Sites of two small suites: one with everything that a submission could write to do harm, one with ranks.

And a browser to see them: headless Chromium with a profile of its own, one session for all tests.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.orm import Session

from tests.report.site.browsing import media, screen
from unlearnbench import Recipe
from unlearnbench.problems.streams import Seeds
from unlearnbench.report.numbers.board import Board, read_board
from unlearnbench.report.site import write_site
from unlearnbench.store.schema import Base, OriginalRow, ProblemRow

NASTY = "<script>window.hacked = true</script>"
LONG = "averylongreasonwithoutaspace" * 8


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all sites of a module."""
    return tmp_path_factory.mktemp("sites")


@pytest.fixture(scope="module")
def folder(small_of_module: Any, sites: Path) -> Path:
    """The folder of the pages of a board."""
    stored = small_of_module
    stored.submission("hostile", "hostile", variant="with_a_rather_long_name_that_goes_on_and_on")
    stored.trial("first", "hostile", ("low", 0.1, 0), state="failed", reason=f"{NASTY} {LONG}")
    stored.trial("first", "hostile", ("high", 0.1, 0), healed=0.9)
    for name, healed in {"good": 0.4, "flaky": 0.3}.items():
        stored.trial("first", name, ("low", 0.1, 0), training="tied-dropout", healed=healed)
    values = (f"{NASTY} {LONG}", "javascript:window.hacked=true", f'["{NASTY}"]', NASTY, f'{{"{NASTY}": "{NASTY}"}}')
    columns = ", ".join(f"{name} = ?" for name in ("title", "paper", "authors", "license", "hyperparameters"))
    with stored.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE submissions SET {columns} WHERE key = 'hostile'", values)
        connection.exec_driver_sql("UPDATE submissions SET paper = 'https://example.org/a?b=1&c=2' WHERE key = 'good'")
        connection.exec_driver_sql(f"UPDATE runs SET revision = '{NASTY}'")
    board = read_board(stored.engine, "small")
    write_site(stored.engine, [board], sites / "site", "https://example.org/code")
    return sites / "site" / "small"


@dataclasses.dataclass(frozen=True)
class Ranked:
    """A suite of eight seeds, its board and the folder of its pages."""

    stored: Any
    board: Board
    folder: Path


@pytest.fixture(scope="module")
def ranked(sites: Path, small_of_module: Any) -> Iterator[Ranked]:
    """`good` and `twin` cannot be told apart, `weak` can; `good/tuned` is another variant, `weak` has a trial beyond
    the oracle, and `weak` was also run under other conditions."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    stored = dataclasses.replace(small_of_module, engine=engine)
    seeds = tuple(Seeds(seed, 10 + seed, 20 + seed) for seed in range(8))
    stored.run("older", day=-1, seeds=seeds, recipe=Recipe(steps=20, batch_size=10, peak_learning_rate=0.1))
    stored.run("first", seeds=seeds)
    stored.problems()
    add_seeds(stored, range(2, 8))
    roles = {"good": "ranked", "twin": "ranked", "weak": "ranked", "oracle": "reference"}
    for name, role in roles.items():
        stored.submission(name, name, role=role)
    stored.submission("tuned", "good", variant="tuned")
    for regularity in ("low", "medium", "high"):
        for rate in (0.1, 1.0):
            for seed in range(8):
                cell = (regularity, rate, seed)
                stored.trial("first", "good", cell, healed=0.6 + 0.01 * seed)
                stored.trial("first", "twin", cell, healed=0.6 + 0.01 * (7 - seed))
                stored.trial("first", "tuned", cell, healed=0.7 + 0.01 * seed)
                beyond = cell == ("high", 1.0, 3)
                stored.trial("first", "weak", cell, healed=1.0 if beyond else 0.2 + 0.02 * seed)
                stored.trial("first", "oracle", cell, healed=0.5, utility=0.9)
    stored.trial("older", "weak", ("low", 0.1, 0), isolation="strict")
    board = read_board(engine, "small")
    write_site(engine, [board], sites / "ranked")
    yield Ranked(stored, board, sites / "ranked" / "small")
    engine.dispose()


def add_seeds(stored: Any, seeds: range) -> None:
    """More problems and originals, as those of seed 0."""
    with Session(stored.engine) as session, session.begin():
        for row in [*session.query(ProblemRow), *session.query(OriginalRow)]:
            *rest, seed = row.key.removesuffix(" tied").split()
            if seed != "0":
                continue
            values = {item.key: getattr(row, item.key) for item in inspect(type(row)).column_attrs}
            tied = " tied" * row.key.endswith(" tied")
            for new in seeds:
                changed = {"key": " ".join([*rest, str(new)]) + tied}
                if isinstance(row, ProblemRow):
                    changed["corruption_seed"] = new
                else:
                    changed |= {"training_seed": 10 + new, "weights_hash": f"weights of {changed['key']}"}
                session.add(type(row)(**values | changed))


FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic", "--disable-dev-shm-usage"),
)


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        message = "chromium and chromedriver are not installed"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture
def browser(session: Any, sites: Path) -> Iterator[Any]:
    """The browser on a light desktop screen; after each test nothing was complained of and no request had left."""
    session.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    screen(session, 1280, 900)
    media(session)
    session.get_log("performance")
    yield session
    assert session.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in session.get_log("performance")]
    requests = [item["params"]["request"]["url"] for item in messages if item["method"] == "Network.requestWillBeSent"]
    assert requests
    assert [url for url in requests if not url.startswith((sites.as_uri() + "/", "data:"))] == []
