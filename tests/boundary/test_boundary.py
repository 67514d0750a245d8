"""What comes back through the boundary are weights that fit, or a reason; whatever the bytes are."""

from __future__ import annotations

import json
import os
import random
import signal
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from safetensors.torch import save

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.isolation import Isolation, require
from unlearnbench.boundary.outcome import HEADER_BYTES, _readable, _weights
from unlearnbench.boundary.request import Order
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, read

REFERENCE = {"a": torch.zeros(3), "b": torch.zeros(2, 2, dtype=torch.int64)}
GOOD = save(REFERENCE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.safetensors"


def judged(file: Path, content: bytes) -> object:
    file.write_bytes(content)
    return _weights(os.open(file, os.O_RDONLY), REFERENCE)


def test_good_weights_come_back(file: Path) -> None:
    weights = judged(file, GOOD)
    assert isinstance(weights, dict)
    assert all(torch.equal(weights[name], tensor) for name, tensor in REFERENCE.items())


def test_changed_bytes_are_weights_or_a_reason(file: Path) -> None:
    chance, refused = random.Random(0), 0
    for _ in range(500):
        content = bytearray(GOOD)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        found = judged(file, bytes(content[: chance.randint(1, len(content))]))
        assert isinstance(found, dict) or str(found).startswith("invalid weights: ")
        refused += isinstance(found, str)
    assert 0 < refused <= 500


@pytest.mark.parametrize("kind", ["BOOL", "F4", "F8_E8M0", "C64", "F64", "X"])
def test_numbers_of_another_kind_are_refused(file: Path, kind: str) -> None:
    header = json.dumps({"a": {"dtype": kind, "shape": [12], "data_offsets": [0, 12]}}).encode()
    assert str(judged(file, struct.pack("<Q", len(header)) + header + bytes(12))).startswith("invalid weights: ")


def test_a_file_larger_than_the_model_is_not_read(file: Path) -> None:
    assert "and the model has 44" in str(judged(file, bytes(HEADER_BYTES + 45)))


def test_text_that_cannot_be_stored_or_shown_is_replaced() -> None:
    assert _readable("a\nb\tc é \x00\x1b[31m\ud800") == "a\nb\tc é \ufffd\ufffd[31m\ufffd"


class Dying:
    """A killed server that is not gone before somebody waits for it."""

    def __init__(self, server: Any):
        self.server, self.gone = server, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)

    def poll(self) -> int | None:
        return -signal.SIGKILL if self.gone else None

    def wait(self, timeout: float | None = None) -> int:
        self.gone = True
        code: int = self.server.wait(timeout=timeout)
        return code


class Unreadable(Order):
    def to_line(self) -> bytes:
        return b"{}\n"


def test_a_server_that_is_being_killed_costs_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Boundary, "_order", lambda *_: Unreadable(cast(Any, None), ""))
    with Boundary("process") as boundary:
        server = boundary._server(None).start()
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        boundary._server(None).process = cast(Any, Dying(server))
        with pytest.raises(HarnessError, match="KeyError"):
            boundary.run(cast(Any, SimpleNamespace(threads=1, seconds=1.0, environment=None)), {})


def test_a_server_that_was_stopped_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch, make_submission: Callable[..., Submission], tiny_suite: Suite, tmp_path: Path
) -> None:
    monkeypatch.setattr("unlearnbench.boundary.boundary.ANSWER_SECONDS", 3.0)
    parent = "def parent(of): return int(open(f'/proc/{of}/stat').read().rpartition(')')[2].split()[1])\n"
    stop = "os.kill(parent(parent('self')), signal.SIGSTOP)\nreturn problem.original()"
    stopping = make_submission("stopping", stop, before=parent)
    with Store(str(tmp_path / "results.db")) as store:
        summary = run_suite(replace(tiny_suite, discovery_rates=(0.5, 1.0)), [stopping], store, tmp_path, workers=1)
    assert (summary.ran, summary.failed) == (2, 0)


@pytest.mark.parametrize("level", ["process", "strict"])
def test_a_submission_is_a_package_of_its_own_name(
    level: Isolation, make_submission: Callable[..., Submission], tiny_suite: Suite, tmp_path: Path
) -> None:
    try:
        require(level)
    except UsageError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    imports = "from mine.helper import same\nfrom .helper import same as also\n"
    submission = make_submission("mine", "assert same is also\nreturn problem.original()", before=imports)
    assert submission.folder is not None
    (submission.folder / "helper.py").write_text("same = object()\n")
    with Store(str(tmp_path / "results.db")) as store:
        summary = run_suite(tiny_suite, read(submission.folder), store, tmp_path, isolation=level)
    assert (summary.ran, summary.failed) == (1, 0)
