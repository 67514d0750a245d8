"""A harness to be harmed: one run of a tiny suite in a forked process, and what its store then holds.

The process is forked from one that has imported torch, so that a campaign of hundreds of runs takes minutes. The run
in it is the real one: a fork server, guardians and trials of its own, a store and a cache on disk.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from unlearnbench import Budget, Recipe
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.problems.suite import CorruptionSettings, Limits, Model, Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, discover, read

SHIPPED = Path(__file__).parents[2] / "submissions"
METHODS = ("gradient_ascent", "finetune", "npo")

SUITE = Suite(
    name="faults",
    title="200 digits, a few steps",
    dataset="digits",
    corruptions=("random-swap", "poison-trigger"),
    discovery_rates=(0.5, 1.0),
    seeds=(0,),
    train_size=200,
    test_size=60,
    corruption=CorruptionSettings(size=20),
    model=Model(width=0.05),
    recipe=Recipe(steps=6, batch_size=50, peak_learning_rate=0.05, crop_padding=1, flip=False),
    budget=Budget(steps=4, batch_size=50, learning_rate=0.01),
    limits=Limits(seconds=60, memory_gib=4),
)
TRIALS = len(SUITE.corruptions) * len(SUITE.discovery_rates) * len(METHODS)

# What differs between two runs of the same trial: times, and which run it was.
OF_TIME = ("run_id", "created_at", "seconds", "processor_seconds", "evaluation_seconds", "total_seconds", "detail")


@dataclass(frozen=True)
class Place:
    """Where a run keeps its things. `database` is a URL; SQLite in the folder by default."""

    folder: Path
    database: str

    @classmethod
    def new(cls, folder: Path, database: str | None = None) -> Place:
        (folder / "tmp").mkdir(parents=True)
        return cls(folder, f"sqlite:///{folder / 'results.db'}" if database is None else database)

    @property
    def file(self) -> Path:
        return self.folder / "results.db"

    @property
    def says(self) -> str:
        """The last sentence of the last harness."""
        log = self.folder / "log"
        return log.read_text().strip().splitlines()[-1] if log.exists() and log.read_text().strip() else ""

    def temporary(self) -> list[Path]:
        """Temporary folders that harnesses have left."""
        return list((self.folder / "tmp").glob("unlearnbench-*"))


def shipped() -> list[Submission]:
    return [item for item in discover(SHIPPED) if item.name in METHODS and item.variant == "default"]


def written(folder: Path, name: str, body: str) -> Submission:
    """A submission whose `unlearn` has this body."""
    place = folder / "submissions" / name
    place.mkdir(parents=True)
    (place / "submission.toml").write_text(
        f'name = "{name}"\ntitle = "{name}"\nauthors = ["A"]\npaper = ""\nlicense = "Apache-2.0"\n'
        'entry = "method:Method"\n'
    )
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    (place / "method.py").write_text(
        "import os, time\nfrom unlearnbench import UnlearningMethod\n\n\n"
        f"class Method(UnlearningMethod):\n    def unlearn(self, problem):\n{lines}"
    )
    return read(place)[0]


def start(
    place: Place,
    submissions: Sequence[Submission],
    *,
    suite: Suite = SUITE,
    workers: int = 1,
    before: Callable[[], None] | None = None,
) -> int:
    """Start a harness; its process number. `before` is called in its process."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        os.environ["TMPDIR"] = str(place.folder / "tmp")
        tempfile.tempdir = None
        log = os.open(place.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = run(place, submissions, suite=suite, workers=workers, before=before)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def run(
    place: Place,
    submissions: Sequence[Submission],
    *,
    suite: Suite = SUITE,
    workers: int = 1,
    before: Callable[[], None] | None = None,
) -> int:
    """One run in this process, as the command line does it: its exit code."""
    if before is not None:
        before()
    try:
        with Store(place.database) as store:
            run_suite(suite, submissions, store, place.folder / "data", workers=workers)
    except (HarnessError, UsageError) as error:
        print(error, file=sys.stderr, flush=True)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def wait(pid: int) -> int:
    """The exit code; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def children(pid: int) -> list[int]:
    """Of all threads of the process, by number."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread or the process has just ended
            found += [int(number) for number in file.read_text().split()]
    return sorted(found)


def descendants(pid: int) -> list[int]:
    return [found for child in children(pid) for found in (child, *descendants(child))]


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def records(place: Place) -> dict[str, dict[str, Any]]:
    """Every record by its key, without times, with its predictions; the originals too. None before the first store."""
    if place.database.startswith("sqlite") and not place.file.exists():
        return {}
    engine = create_engine(place.database)
    found: dict[str, dict[str, Any]] = {}
    try:
        with engine.connect() as connection:
            for row in connection.execute(text("SELECT * FROM originals")).mappings():
                found[f"original {row['key']}"] = {key: row[key] for key in ("weights_hash", "healed_train", "utility")}
            query = "SELECT * FROM trials LEFT JOIN predictions ON predictions.trial_key = trials.key"
            for row in connection.execute(text(query)).mappings():
                assert row["key"] not in found, "a trial is stored twice"
                found[row["key"]] = {key: value for key, value in row.items() if key not in OF_TIME}
    except Exception as error:
        if "no such table" not in str(error):  # killed while it made them
            raise
    finally:
        engine.dispose()
    return found


def trials(place: Place) -> dict[str, dict[str, Any]]:
    return {key: row for key, row in records(place).items() if not key.startswith("original")}


def intact(place: Place) -> bool:
    """Whether SQLite finds no fault in its file."""
    if not place.file.exists():
        return True
    with closing(sqlite3.connect(place.file)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check").fetchone()
        return bool(found == "ok")
