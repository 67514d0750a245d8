"""Claims: one harness a trial, and what the dead held is free."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NoReturn

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests import rows
from unlearnbench.errors import HarnessError
from unlearnbench.store import claims as module
from unlearnbench.store.claims import Claims
from unlearnbench.store.schema import ClaimRow
from unlearnbench.store.store import Store


@pytest.fixture
def two(store: Store) -> Iterator[tuple[Claims, Claims]]:
    """The claims of two runs on one store."""
    store.add([rows.run(id="a"), rows.run(id="b")])
    with Claims(store, "a") as a, Claims(store, "b") as b:
        yield a, b


def held(store: Store) -> dict[str, str]:
    with Session(store.engine) as session:
        return {row.trial_key: row.run_id for row in session.scalars(select(ClaimRow))}


def test_a_trial_has_one_holder_until_its_claim_ends(store: Store, two: tuple[Claims, Claims]) -> None:
    a, b = two
    assert (a.take("t"), b.take("t"), b.take("u")) == ("mine", "elsewhere", "mine")
    assert held(store) == {"t": "a", "u": "b"}
    b.end("t")  # not its own
    assert held(store) == {"t": "a", "u": "b"}
    a.end("t")
    assert b.take("t") == "mine"


def test_a_failure_that_is_run_again_is_claimed_by_one(store: Store, two: tuple[Claims, Claims]) -> None:
    a, b = two
    store.add([*rows.whole(), rows.failed(key="u", run_id="r")])
    assert (a.take("u"), a.take("u", "r"), b.take("u", "r")) == ("stored", "mine", "elsewhere")
    store.replace_failure(rows.failed(key="u", run_id="a"), None)
    a.end("u")
    assert b.take("u", "r") == "stored", "it has been run again"


def test_of_many_at_once_one_gets_it(store: Store, two: tuple[Claims, Claims]) -> None:
    def take(number: int) -> str:
        return two[number % 2].take(f"t{number // 8}")

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(take, range(80)))
    assert answers == {"mine": 10, "elsewhere": 70}


def test_leaving_ends_all_claims(store: Store) -> None:
    store.add([rows.run(id="a")])

    def stopped() -> NoReturn:
        with Claims(store, "a") as claims:
            assert claims.take("t") == "mine"
            raise HarnessError("stopped")

    with pytest.raises(HarnessError, match="stopped"):
        stopped()
    assert held(store) == {}


def test_who_has_left_takes_nothing(store: Store) -> None:
    """A thread of an interrupted run may still ask: its claim would stay as long as the process lives."""
    store.add([rows.run(id="a")])
    with Claims(store, "a") as claims:
        pass
    assert claims.take("t") == "elsewhere"
    assert held(store) == {}


def identity_of_a_dead_process() -> str:
    code = "from unlearnbench.system.processes import identity; print(identity())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_what_the_dead_held_is_free_at_once(store: Store, two: tuple[Claims, Claims]) -> None:
    a, b = two
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "identity", identity_of_a_dead_process)
        assert (a.take("t"), a.take("u")) == ("mine", "mine")
    assert b.take("t") == "mine"
    assert held(store) == {"t": "b", "u": "a"}
    with Claims(store, "c"):  # who starts clears away what is left
        assert held(store) == {"t": "b"}


def test_on_another_machine_a_claim_lapses_when_it_stops_beating(
    store: Store, two: tuple[Claims, Claims], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = two
    now = [time.monotonic()]
    monkeypatch.setattr(module, "identity", lambda: "elsewhere 1 1")
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert (a.take("t"), b.take("t")) == ("mine", "elsewhere")
    for _ in range(5):
        now[0] += module.LAPSE - 1
        a.beat()
        assert b.take("t") == "elsewhere"
    now[0] += module.LAPSE + 1
    assert b.take("t") == "mine"
    assert a.take("t") == "elsewhere"


def test_a_run_starts_after_all_that_are_stored(store: Store) -> None:
    store.add([rows.run(id="a")])
    early, late = datetime(2025, 1, 1), datetime(2027, 1, 1)
    assert store.after_all_runs(late) == late
    assert store.after_all_runs(early) > datetime(2026, 1, 1)
