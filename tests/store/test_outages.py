"""A database server that is restarted costs time, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tests import rows
from unlearnbench.errors import HarnessError
from unlearnbench.store import outages
from unlearnbench.store.claims import Claims
from unlearnbench.store.outages import is_outage, persistent
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store


@pytest.fixture
def remote(postgresql: str) -> Iterator[Store]:
    with Store(postgresql) as store:
        yield store


def end_connections(url: str) -> None:
    """End all other connections, as a restart, an idle timeout or an administrator does."""
    engine = create_engine(url)
    with engine.connect() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        connection.execute(text(f"{others} AND backend_type = 'client backend'"))
    engine.dispose()


def test_connections_that_were_ended_are_made_again(remote: Store, postgresql: str) -> None:
    remote.add([*rows.whole(), rows.failed(key="u", run_id="r"), rows.run(id="a")])
    with Claims(remote, "a") as claims:
        for answer in ("mine", "elsewhere"):
            end_connections(postgresql)
            assert claims.take("u", "r") == answer
        end_connections(postgresql)
        remote.replace_failure(rows.trial(key="u", run_id="a"), None)
        end_connections(postgresql)
        claims.end("u")
    assert remote.stored_trials(["t", "u"]) == {"t", "u"}


def test_an_answer_that_was_lost_changes_nothing(remote: Store) -> None:
    """What was done before the connection broke may be asked for again."""
    remote.add([*rows.whole(), rows.failed(key="u", run_id="r"), rows.run(id="a"), rows.run(id="b")])
    with Claims(remote, "a") as claims, Claims(remote, "b") as others:
        assert claims.take("v") == "mine"
        claims._held.clear()
        assert claims.take("v") == "mine"
        assert others.take("v") == "elsewhere"
    for _ in range(2):
        remote.replace_failure(rows.failed(key="u", run_id="a", reason="again"), None)
    with Session(remote.engine) as session:
        earlier = session.get_one(TrialRow, "u").earlier
    assert earlier is not None
    assert earlier.count("run r") == 1
    assert "run a" not in earlier


def test_no_error_is_logged_by_the_server_for_a_claim_that_is_taken(remote: Store, postgresql_server: str) -> None:
    remote.add([rows.run(id="a"), rows.run(id="b")])
    with Claims(remote, "a") as first, Claims(remote, "b") as second:
        assert (first.take("t"), second.take("t")) == ("mine", "elsewhere")
    folder = Path(postgresql_server.partition("host=")[2])
    assert "duplicate key" not in (folder / "log").read_text()


def test_a_server_that_comes_back_is_waited_for(
    remote: Store, postgresql_server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Renaming its socket is a server that is away: connections are refused."""
    socket = Path(postgresql_server.partition("host=")[2]) / ".s.PGSQL.5432"
    hidden = socket.with_name("hidden")
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.05)
    remote.engine.dispose()
    socket.rename(hidden)

    def come_back() -> None:
        time.sleep(0.5)
        hidden.rename(socket)

    thread = threading.Thread(target=come_back)
    thread.start()
    remote.add([rows.run(id="a")])
    thread.join()
    assert "the database server does not answer: trying again in 0.05 s" in caplog.messages


def test_a_run_that_ends_while_the_server_is_away_leaves_no_thread_waiting_for_it(
    remote: Store, postgresql_server: str
) -> None:
    remote.add([rows.run(id="a")])
    socket = Path(postgresql_server.partition("host=")[2]) / ".s.PGSQL.5432"
    hidden = socket.with_name("hidden")
    claims = Claims(remote, "a").__enter__()
    remote.engine.dispose()
    socket.rename(hidden)
    try:
        with pytest.raises(HarnessError, match="cannot write the results database"):
            claims.__exit__(None, None, None)
        assert claims.take("t") == "elsewhere"
    finally:
        hidden.rename(socket)


def test_what_is_no_outage_is_raised_at_once_and_an_outage_in_the_end(
    store: Store, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    @persistent
    def call(url: str, statement: str) -> None:
        calls.append(url)
        with create_engine(url).connect() as connection:
            connection.execute(text(statement))

    monkeypatch.setattr(outages, "PATIENCE", 0.05)
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.01)
    for url, statement, repeated in (
        (str(store.engine.url), "SELECT * FROM nothing", False),
        (postgresql, "SELECT * FROM nothing", False),
        ("postgresql+psycopg://tester@/postgres?host=/nowhere", "SELECT 1", True),
    ):
        calls.clear()
        with pytest.raises(Exception, match=r"nothing|nowhere"):
            call(url, statement)
        assert (len(calls) > 1) is repeated
    assert not is_outage(HarnessError("no cause"))
    assert not is_outage(OperationalError("SELECT 1", {}, Exception("of another driver")))
