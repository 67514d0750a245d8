"""All submissions of tests/hostile and what they end with: `python -m tests.boundary.hostile` prints a table."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.tiny import tiny
from unlearnbench.boundary.isolation import LEVELS, Isolation
from unlearnbench.problems.suite import Limits
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import SubmissionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.choosing import choose
from unlearnbench.submissions.finding import Submission, discover

ROOT = Path(__file__).parents[2]
HOSTILE = ROOT / "tests" / "hostile"
HONEST = ("original", "finetune", "retrain")

SUITE = replace(tiny(), name="hostile", title="Hostile submissions", limits=Limits(seconds=8, memory_gib=2))

FINISHED = "finished"
TIMEOUT = "timeout: over 8 s"
NO_WEIGHTS = "invalid weights: it left no file of them"
NOT_THERE = "raised: FileNotFoundError: [Errno 2] No such file or directory"
READ_ONLY = "raised: OSError: [Errno 30] Read-only file system"
NOT_MINE = "raised: PermissionError: [Errno 1] Operation not permitted"  # to a user who is not root
REFUSED = "raised: PermissionError: [Errno 1]"  # by the filter of system calls
ALONE = "raised: ProcessLookupError: no process of the harness in sight"
FULL = "disk: over 1 GiB"

EXPECTED: dict[str, tuple[str, ...] | dict[str, tuple[str, ...]]] = {
    "raises": ("raised: ValueError: not today",),
    "hangs": (TIMEOUT,),
    "sleeps_through_sigterm": (TIMEOUT,),
    "exits": ("exited: code 0 without a result",),
    "exits_on_import": ("exited: code 3 without a result",),
    "segfaults": ("crashed: signal 11",),
    "allocates": ("memory: over 2 GiB",),
    "multiplies": ("memory: over 2 GiB",),
    "swarms": ("processes: over 128",),
    "forks": (FINISHED,),
    "fills_disk": (FULL,),
    "scatters": (FULL,),
    "buries": (FINISHED,),
    "prints": ("raised: ValueError: said enough",),
    "speaks_in_tongues": ("raised: ValueError: ",),
    "returns_none": ("invalid weights: unlearn returned None without having asked for a model",),
    "returns_another_model": ("invalid weights: not the original's architecture",),
    "returns_nan": ("invalid weights: 'conv1.conv.weight' has values that are not finite",),
    "returns_infinite": ("invalid weights: 'conv1.conv.weight' has values that are not finite",),
    "smuggles_code": (FINISHED,),
    "leaves_a_pickle": ("invalid weights: ",),
    "leaves_a_link": (NO_WEIGHTS,),
    "leaves_a_pipe": (NO_WEIGHTS,),
    "leaves_a_directory": (NO_WEIGHTS,),
    "keeps_state": (FINISHED,),
    "keeps_state/second": (FINISHED,),
    "keeps_state/third": (FINISHED,),
    "leaves_a_note": {"process": (FINISHED,), "strict": (NOT_THERE,)},
    "reads": {"process": (FINISHED,), "strict": (NOT_THERE,)},
    "reads/originals": {"process": (FINISHED,), "strict": (NOT_THERE,)},
    "reads/home": {"process": (FINISHED,), "strict": (NOT_THERE,)},
    "reads/submissions": {"process": (FINISHED,), "strict": (NOT_THERE,)},
    "looks_up_labels": {"process": (FINISHED,), "strict": (NOT_THERE,)},
    "reads_memory": {"process": (FINISHED, "raised: PermissionError"), "strict": (NOT_THERE,)},
    "patches": (FINISHED,),
    "opens_a_socket": {"process": (FINISHED,), "strict": ("raised: ConnectionRefusedError",)},
    "spoils_its_problem": (FINISHED,),
    "forges_its_result": (FINISHED,),
    "forges_its_end": (NO_WEIGHTS,),
    "forges_its_start": (TIMEOUT,),
    "computes_on_import": (FINISHED,),
    "babbles": (FINISHED,),
    "kills_its_guardian": {"process": ("crashed: the process that watches it was killed",), "strict": (ALONE,)},
    "kills_the_server": {"process": (FINISHED,), "strict": (ALONE,)},
    "stops_its_guardian": {"process": ("timeout: the process that watches it was stopped",), "strict": (ALONE,)},
    "stops_its_guardian/server": {"process": (FINISHED,), "strict": (ALONE,)},
    "hides_memory": ("memory: over 2 GiB",),
    "hides_memory/file": {"process": ("memory: over 2 GiB",), "strict": (REFUSED,)},
    "hides_memory/child": {
        "process": ("memory: over 2 GiB", "memory: a process hides how much it uses"),
        "strict": (REFUSED,),
    },
    "hides_memory/threads": ("threads: over 1024",),
    "leaves_traces": {"process": (FINISHED,), "strict": (REFUSED,)},
    "leaves_traces/page_cache": {"process": (FINISHED,), "strict": (REFUSED,)},
    "leaves_traces/host": {"process": (FINISHED, "raised: OSError"), "strict": ("raised: OSError: [Errno 97]",)},
    "leaves_traces/code_in_memory": {"process": (FINISHED,), "strict": (REFUSED,)},
    "leaves_traces/all_cores": {"process": (FINISHED,), "strict": (REFUSED,)},
    "reads_the_kernel": {"process": (FINISHED,), "strict": ("raised: PermissionError: nothing to see",)},
    "kills_the_harness": {"strict": ("raised: ProcessLookupError",)},
    "kills_everybody": {"process": ("raised: PermissionError: not tried",), "strict": ("crashed: signal 9",)},
    "changes_its_interpreter": {"process": (FINISHED, NOT_MINE), "strict": (READ_ONLY,)},
    "changes_devices": {"process": (FINISHED, NOT_MINE), "strict": (READ_ONLY, NOT_MINE)},
    "wants_privileges": {"process": (FINISHED, "raised: PermissionError"), "strict": ("raised: PermissionError",)},
}
"""What each submission ends with, where the levels differ, at each: the beginnings that its reason may have. A level
that is not named is not tried: `kills_the_harness` would end this program."""


@dataclass(frozen=True)
class Result:
    label: str
    trial: TrialRow

    @property
    def outcome(self) -> str:
        return self.trial.reason or self.trial.state


def expected(label: str, level: Isolation) -> tuple[str, ...]:
    """The beginnings that the outcome may have; empty where it is not tried."""
    found = EXPECTED[label]
    return found if isinstance(found, tuple) else found.get(level, ())


def honest() -> list[Submission]:
    return choose(discover(ROOT / "submissions"), HONEST)


def hostile(level: Isolation, targets: dict[str, Any]) -> list[Submission]:
    """All that are tried at this level, each told where to find what it is after."""
    found = []
    for item in discover(HOSTILE):
        values = {"target": targets[item.label]} if item.label in targets else {}
        if expected(item.label, level):
            found.append(replace(item, hyperparameters=item.hyperparameters | values))
    return found


def campaign(level: Isolation, folder: Path, workers: int) -> list[Result]:
    """Run the honest and the hostile ones among each other; everything that is written lies in this folder."""
    home = folder / "home"
    home.mkdir()
    (home / "diary").write_text("private")
    run(level, honest()[:1], folder, workers)  # the original is there when the hostile ones come
    (cached,) = (folder / "originals").glob("*.safetensors")
    with _listener() as port:
        targets = {
            "smuggles_code": str(folder / "unpickled"),
            "leaves_a_link": str(cached),
            "leaves_a_note": str(folder / "note"),
            "reads": str(folder / "results.db"),
            "reads/originals": str(cached),
            "reads/home": str(home),
            "reads/submissions": str(ROOT / "submissions"),
            "reads_memory": os.getpid(),
            "kills_the_harness": os.getpid(),
            "opens_a_socket": port,
        }
        return run(level, [*hostile(level, targets), *honest()], folder, workers)


def run(level: Isolation, submissions: list[Submission], folder: Path, workers: int) -> list[Result]:
    with Store(str(folder / "results.db")) as store:
        run_suite(SUITE, submissions, store, folder, workers=workers, isolation=level)
        with Session(store.engine) as session:
            query = select(SubmissionRow.name, SubmissionRow.variant, TrialRow).join(TrialRow)
            return [
                Result(name if variant == "default" else f"{name}/{variant}", trial)
                for name, variant, trial in session.execute(query.order_by(SubmissionRow.name, SubmissionRow.variant))
            ]


@contextlib.contextmanager
def _listener() -> Iterator[int]:
    """A server on the loopback interface that takes whatever comes; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):  # closed: the end
                while True:
                    server.accept()[0].close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1, help="trials at a time")
    as_expected = True
    workers = parser.parse_args().workers
    print("| submission | level | recorded | seconds |\n| :-- | :-- | :-- | --: |")
    for level in LEVELS:
        with tempfile.TemporaryDirectory() as folder:
            for result in campaign(level, Path(folder), workers):
                if result.label in EXPECTED:
                    wanted = expected(result.label, level)
                    as_expected &= result.outcome.startswith(wanted)
                    doubt = "" if result.outcome.startswith(wanted) else f" (expected {' or '.join(wanted)})"
                    seconds = f"{result.trial.total_seconds:.2f}"
                    text = re.sub(r"'/(?:[^']*/)*([^']*)'", r"'\1'", result.outcome).replace("|", "\\|")[:80]
                    print(f"| `{result.label}` | {level} | {text}{doubt} | {seconds} |", flush=True)
    sys.exit(not as_expected)


if __name__ == "__main__":
    main()
