"""Claims let several harnesses on one store divide a suite's trials among themselves.

A harness claims a trial before running it and releases the claim once the record is stored. Others may take over the
claim of a dead harness: on the same machine its process is gone; on another machine its heartbeat has not changed for
`LAPSE` seconds by the observer's monotonic clock, so clocks need not agree. A harness that was merely suspended for
that long may run a trial a second time; the store keeps the first record.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Literal, Self, cast

from sqlalchemy import Table, delete, inspect, select, update
from sqlalchemy.orm import Session

from unlearnbench.errors import HarnessError
from unlearnbench.store.connection import writing
from unlearnbench.store.outages import persistent
from unlearnbench.store.schema import ClaimRow, TrialRow
from unlearnbench.store.store import Store, insert_new
from unlearnbench.system.processes import alive, identity

BEAT = 10.0
LAPSE = 120.0

CLAIMS = cast(Table, inspect(ClaimRow).local_table)
Answer = Literal["mine", "stored", "elsewhere"]


class Claims:
    """The claims of one run. Leaving the context releases all of them and refuses new ones. `take` is thread-safe."""

    def __init__(self, store: Store, run_id: str):
        self._store, self._run_id = store, run_id
        self._seen: dict[str, tuple[str, int, float]] = {}
        """By trial key: the run that holds the claim, its heartbeat, and when that heartbeat was first seen."""
        self._held: set[str] = set()
        """Keys of the trials that this run has claimed."""
        self._last_beat = time.monotonic()
        self._left = False
        self._lock = threading.Lock()  # a thread that outlives the run must not take a claim that nobody ends

    def __enter__(self) -> Self:
        with Session(self._store.engine) as session:
            claims = session.scalars(select(ClaimRow)).all()
        for claim in claims:
            if alive(claim.process) is False:
                self._end(claim.trial_key, claim.run_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._lock:
                self._left = True  # also if the database is away: threads that wait for it must end
                with writing(self._store.engine) as connection:
                    connection.execute(delete(ClaimRow).where(ClaimRow.run_id == self._run_id))
        except HarnessError:
            if error is None:
                raise
            # Do not hide the error that ended the run; its claims lapse by themselves.

    @persistent
    def take(self, key: str, failed_in: str | None = None) -> Answer:
        """Claim a trial: `stored` if it has a record by now, `elsewhere` if another harness has claimed it.

        Args:
            failed_in: the run whose record, a failure, is to be replaced and does not count.
        """
        claim = {"trial_key": key, "run_id": self._run_id, "process": identity(), "beat": 0}
        for _ in range(2):
            with self._lock:
                if self._left or key in self._held:
                    return "elsewhere"
                with writing(self._store.engine) as connection:
                    insert_new(connection, CLAIMS, [claim])
                    # On PostgreSQL there is none if another run has released its claim since the insert.
                    holder = connection.execute(select(CLAIMS).where(CLAIMS.c.trial_key == key)).one_or_none()
                    # Mine also if the answer to an earlier attempt was lost.
                    mine = holder is not None and holder.run_id == self._run_id
                    # After the insert: a claim is released only once its record is stored, so none can be missed.
                    recorded_by = connection.scalar(select(TrialRow.run_id).where(TrialRow.key == key))
                    stored = mine and recorded_by not in (None, failed_in)
                    if stored:
                        connection.execute(delete(ClaimRow).where(ClaimRow.trial_key == key))
                if stored:
                    return "stored"
                if mine:
                    self._held.add(key)
                    return "mine"
            if holder is None or not self._dead(holder):
                return "elsewhere"
            self._end(holder.trial_key, holder.run_id)
        return "elsewhere"

    def end(self, key: str) -> None:
        """Release this run's claim on a trial whose record is stored."""
        self._end(key, self._run_id)
        self._held.discard(key)

    @persistent
    def beat(self) -> None:
        """Send a heartbeat, at most one every `BEAT` seconds. Call it at least that often."""
        if time.monotonic() - self._last_beat < BEAT:
            return
        self._last_beat = time.monotonic()
        with writing(self._store.engine) as connection:
            connection.execute(update(ClaimRow).where(ClaimRow.run_id == self._run_id).values(beat=ClaimRow.beat + 1))

    def _dead(self, claim: Any) -> bool:
        if alive(claim.process) is False:
            return True
        run_id, beat, since = self._seen.get(claim.trial_key, ("", 0, 0.0))
        if (run_id, beat) != (claim.run_id, claim.beat):
            self._seen[claim.trial_key] = (claim.run_id, claim.beat, time.monotonic())
            return False
        return time.monotonic() - since > LAPSE

    @persistent
    def _end(self, key: str, run_id: str) -> None:
        """Delete that run's claim on the trial, but not another run's."""
        with writing(self._store.engine) as connection:
            connection.execute(delete(ClaimRow).where(ClaimRow.trial_key == key, ClaimRow.run_id == run_id))
