"""A submission that looks for what it must not know, in everything its process was handed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from unlearnbench.problems.datasets import load
from unlearnbench.problems.grid import problems
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission

# Needles travel masked, and the haystack is masked before it is searched: so the search cannot find itself.
SEARCH = '''
import json, re
import numpy as np
MASK = 0x5A

def places():
    """Name and content of all that this process can reach through what it was handed."""
    yield "arguments", open("/proc/self/cmdline", "rb").read()
    yield "environment", open("/proc/self/environ", "rb").read() + repr(sorted(os.environ.items())).encode()
    for folder, _, files in os.walk("."):
        for file in files:
            yield "own folder", open(os.path.join(folder, file), "rb").read()
    for number in os.listdir("/proc/self/fd"):
        target = os.readlink(f"/proc/self/fd/{number}") if os.path.exists(f"/proc/self/fd/{number}") else ""
        if target.startswith("/") and os.path.isfile(target):
            yield "open file " + number, open(target, "rb").read()
    for owner in ("self", str(os.getppid())):
        yield from memory(owner)

def memory(owner):
    with open(f"/proc/{owner}/maps") as maps, open(f"/proc/{owner}/mem", "rb", 0) as mem:
        for line in maps.read().splitlines():
            start, end, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....)", line).groups()
            start, end = int(start, 16), int(end, 16)
            if not mode.startswith("rw") or line.endswith("[vvar]"):
                continue
            while start < end:
                size = min(end - start, 1 << 26)
                try:
                    mem.seek(start)
                    yield "memory of " + owner, mem.read(size)
                except OSError:
                    pass  # pages that nobody may read hold no secret
                start += size - 4096 if end - start > size else size

def search(needles):
    found = {}
    for place, content in places():
        masked = (np.frombuffer(content, dtype=np.uint8) ^ MASK).tobytes()
        for name, needle in needles.items():
            if needle in masked:
                found.setdefault(name, set()).add(place)
    return {name: sorted(where) for name, where in found.items()}
'''


def masked(needle: bytes) -> str:
    return (np.frombuffer(needle, dtype=np.uint8) ^ 0x5A).tobytes().hex()


@pytest.mark.parametrize("needs", [False, True])
def test_no_secret_is_within_reach(
    tiny_suite: Suite,
    make_submission: Callable[..., Submission],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    needs: bool,
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "swordfish-in-the-environment")
    dataset = load("digits", tmp_path, train_size=200, test_size=60)
    problem = next(problem for problem, _ in problems(tiny_suite, dataset) if problem.discovery_rate)
    truth = problem.case.corrupted_set(dataset)
    forget = problem.found(truth)
    hidden = np.setdiff1d(truth.corrupted, forget)
    first = max(0, int(truth.corrupted[0]) - 8)
    needles = {
        "true labels": truth.true_labels[first : first + 32].tobytes(),
        "true labels (bytes)": truth.true_labels[first : first + 32].astype(np.uint8).tobytes(),
        "undiscovered": hidden.tobytes(),
        "undiscovered (text)": json.dumps(hidden.tolist())[1:-1].encode(),
        "corrupted": truth.corrupted.tobytes(),
        "test images": dataset.test_images[0].numpy().tobytes(),
        "kind": b"poison-trigger",
        "database": str(store.engine.url.database).encode(),
        "password": b"swordfish-in-the-environment",
        "given labels": truth.labels[first : first + 32].tobytes(),
    }
    assert truth.labels[first : first + 32].tobytes() != needles["true labels"]
    table = {name: masked(needle) for name, needle in needles.items()}
    body = f"found = search({{name: bytes.fromhex(text) for name, text in {table!r}.items()}})\n"
    body += "print('FOUND ' + json.dumps(found))\nsys.exit(1)"
    run_suite(tiny_suite, [make_submission("spy", body, needs=needs, before=SEARCH)], store, tmp_path, workers=1)
    with Session(store.engine) as session:
        record = session.scalars(select(TrialRow)).one()
    assert record.reason == "exited: code 1 without a result", record.detail
    found = json.loads((record.detail or "").split("FOUND ")[1].splitlines()[0])
    # What it was given is found, so the search works; nothing else is, unless it declared that it needs it.
    assert found.pop("given labels")
    assert set(found) == ({"corrupted"} if needs else set())


def test_a_submission_cannot_write_to_what_it_was_given(
    tiny_suite: Suite, make_submission: Callable[..., Submission], store: Store, tmp_path: Path
) -> None:
    spoil = make_submission(
        "spoil",
        "problem.train.images.zero_()\nproblem.train.labels.zero_()\n"
        "for tensor in problem.original_weights.values(): tensor.zero_()\nreturn problem.original()",
    )
    honest = make_submission("honest", "return problem.original()")
    run_suite(replace(tiny_suite, discovery_rates=(0.5, 1.0)), [spoil, honest], store, tmp_path, workers=1)
    with Session(store.engine) as session:
        trials = session.scalars(select(TrialRow)).all()
    assert len({trial.weights_hash for trial in trials}) == 2  # zeros of one, the original of the other, on both rates
