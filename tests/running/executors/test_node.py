"""What an executor on Ray decides without a cluster, and what it says where there is none."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import ray

from tests.submission import NOTHING, install_package
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.cli import main
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.problems.datasets import digits
from unlearnbench.problems.suite import Suite
from unlearnbench.running.executors import joining, node
from unlearnbench.running.executors.local import Local
from unlearnbench.running.executors.ray import _hardware, _precision, _room, cluster
from unlearnbench.running.setup import Setup
from unlearnbench.submissions.finding import Submission

Make = Callable[..., Submission]


def test_no_cluster_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tiny_suite: Suite) -> None:
    for address in ("127.0.0.1:1", "ray://head:10001", "nowhere"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        with (
            pytest.raises(UsageError, match=r"no Ray cluster was found \(.+\): start one \(`ray start --head`\), or"),
            cluster(tiny_suite, [], digits(), Boundary(), None),
        ):
            pass


@pytest.mark.parametrize("address", ["", "local", " local "])
def test_an_address_that_names_no_cluster_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Ray would join whatever runs on this machine."""
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match=r"RAY_ADDRESS is ' *(local)? *', which names no cluster: set it to host:port"):
        joining.join()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0\r\n", b""])
def test_a_server_of_something_else_is_told_at_once(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(joining, "PATIENCE", 0.5)
    with socket.create_server(("", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)
                if not answer:  # silence
                    time.sleep(2)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        with pytest.raises(UsageError, match=r"no Ray cluster was found \((what answers at .* is no Ray|timed out)"):
            joining.join()
        thread.join()


def test_a_cluster_that_is_gone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "SILENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as here, socket.create_server(("127.0.0.1", 0)) as head:
        link = joining.Link(head.getsockname(), here.getsockname())
        assert link.check()
        head.close()
        assert not link.check()  # it may come back
        time.sleep(0.3)
        with pytest.raises(joining.Lost, match=r"is lost: its head \(127.0.0.1:\d+\) does not answer\. Every"):
            link.check()
    with pytest.raises(joining.Lost, match="its node on this machine"):
        link.check()


def test_without_ray_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "unlearnbench.running.executors.ray")
    with pytest.raises(SystemExit) as ended:
        main(["run", "digits", "--executor", "ray"])
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert "--executor ray needs Ray" in errors
    assert "pip install 'unlearnbench[ray]'" in errors
    assert len(errors.strip().splitlines()) == 1


def test_the_room_of_a_node() -> None:
    assert _room({"CPU": 8.0}, 1, 0) == 8
    assert _room({"CPU": 8.0}, 3, 0) == 2
    assert _room({"CPU": 8.0, "GPU": 2.0}, 1, 0.25) == 8
    assert _room({"CPU": 8.0, "GPU": 2.0}, 1, 0.4) == 4
    assert _room({"CPU": 8.0, "GPU": 4.0}, 1, 2) == 2
    assert _room({"CPU": 8.0}, 1, 1) == 0
    assert _room({}, 1, 0) == 0


def test_what_nodes_say_is_put_together() -> None:
    facts = [
        node.Facts("a (1)", "bfloat16", {"processor": "new", "cores": 4}),
        node.Facts("b (2)", "bfloat16", {"processor": "old", "cores": 4}),
    ]
    assert _precision(facts) == "bfloat16"
    assert _hardware(facts) == {"processor": "new, old", "cores": 4, "nodes": 2}
    with pytest.raises(HarnessError, match=r"\(bfloat16 on node a \(1\), float32 on node b \(2\)\): set `precision`"):
        _precision([facts[0], replace(facts[1], precision="float32")])


def test_a_worker_uses_the_precision_of_the_run(monkeypatch: pytest.MonkeyPatch, tiny_suite: Suite) -> None:
    """Each worker measures its processor, which other work may slow down."""
    run = node.Run(tiny_suite, (), "process", None, (), "cpu", {})
    setup = Setup(tiny_suite, "cpu", "bfloat16", "process")
    place = Local(1, setup, {}, cast(Any, None), cast(Any, None))
    monkeypatch.setattr(node, "_kept", node._Kept(run, place))
    assert node._here(run, {}, "float32").setup == replace(setup, precision="float32")
    assert node._here(run, {}) is place, "before the run has a precision"


def test_a_node_with_another_version_of_what_a_submission_requires_is_refused(
    monkeypatch: pytest.MonkeyPatch, tiny_suite: Suite, make_submission: Make, tmp_path: Path
) -> None:
    monkeypatch.setattr(node, "node_id", lambda: "other")
    monkeypatch.syspath_prepend(str(tmp_path))
    submissions = (replace(make_submission("mine", NOTHING), requires=("torchforget",)),)
    install_package(tmp_path, "0.1.1")
    wanted = node.software(submissions)
    install_package(tmp_path, "0.1.2")
    run = node.Run(tiny_suite, submissions, "process", None, (), "cpu", wanted)
    with pytest.raises(
        node.UnfitError,
        match=r"^different software: torchforget 0\.1\.2 instead of 0\.1\.1; install the same",
    ) as raised:
        node._here(run, {})
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.node, again.usage) == (str(raised.value), "other", False)


def test_originals_that_a_node_forgets_are_the_oldest_and_nothing_else(tmp_path: Path) -> None:
    files = [tmp_path / "originals" / f"{number}.safetensors" for number in range(node.KEPT_ORIGINALS + 2)]
    beside = tmp_path / "training-set-a.safetensors"
    files[0].parent.mkdir()
    for age, file in enumerate([beside, *files]):
        file.touch()
        os.utime(file, (age, age))
    node._forget_originals(files[-1])
    assert sorted(files[0].parent.iterdir()) == sorted(files[2:])
    assert beside.exists(), "a case in use lies beside the folder of originals"
