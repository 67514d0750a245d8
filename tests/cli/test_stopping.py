"""Ctrl-C, SIGTERM and SIGHUP end a command alike: what runs is killed, what ended is stored, nothing stays claimed."""

from __future__ import annotations

import csv
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import called
from tests.tiny import tiny_toml

PATIENCE = 120.0
RUN = ("run", "tiny.toml", "--submissions", "submissions")
METHOD = """
import os, time
from dataclasses import dataclass
from unlearnbench import UnlearningMethod

@dataclass(frozen=True)
class Method(UnlearningMethod):
    rate: float = 0.5

    def unlearn(self, problem):
        if os.path.exists({wait!r}) and len(problem.forget) > 10:
            with open({note!r} + ".part", "w") as note:
                note.write(str(os.getpid()))
            os.rename({note!r} + ".part", {note!r})
            while os.path.exists({wait!r}):
                time.sleep(0.05)
        return problem.original()
"""
MANIFEST = """
name = "waits"
title = "Waits while there is a certain file"
authors = ["A"]
paper = ""
license = "Apache-2.0"
entry = "method:Method"
[search]
rate = { low = 0.1, high = 1.0 }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of two problems and a method that was run on it; on the second one it waits while there is a file."""
    folder = tmp_path_factory.mktemp("stopping")
    place = folder / "submissions/waits"
    place.mkdir(parents=True)
    (place / "submission.toml").write_text(MANIFEST)
    (place / "method.py").write_text(METHOD.format(wait=str(folder / "wait"), note=str(folder / "note")))
    tuning = {"seeds": [100], "discovery_rates": [1.0], "tries": 2}
    limits = {"seconds": 600, "memory_gib": 4}
    (folder / "tiny.toml").write_text(tiny_toml(discovery_rates=[0.5, 1.0], tuning=tuning, limits=limits))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert called("run", "tiny.toml") == 0
        assert called("baseline", "tiny", "--out", "baseline.csv") == 0
    return folder


def start(folder: Path, *arguments: str, ignored: tuple[signal.Signals, ...] = ()) -> subprocess.Popen[str]:
    """The command, whose trial waits; gives it as soon as it does."""
    (folder / "note").unlink(missing_ok=True)
    (folder / "wait").touch()

    def ignore() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    code = "import sys; from unlearnbench.cli import main; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ignore,
        start_new_session=True,
    )
    until(lambda: (folder / "note").exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    return process


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def stopped(folder: Path, process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send the signal to this process alone. It says one sentence, its code tells the signal, and its trial is gone."""
    trial = int((folder / "note").read_text())
    process.send_signal(number)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 128 + number, said
    assert said.count("Stopped.") == 1
    assert "Traceback" not in said
    until(lambda: not Path(f"/proc/{trial}").exists())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_ends_and_keeps_what_finished(folder: Path, number: signal.Signals) -> None:
    database = folder / f"{number.name}.db"
    command = (*RUN, "--workers", "1", "--database", str(database))
    stopped(folder, start(folder, *command), number)
    assert not Path(f"{database}-wal").exists(), "a copy of the one file has everything"
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM trials").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("tune", "waits", "--suite", "tiny.toml"), marks=pytest.mark.slow),
        pytest.param(("check", "--against", "baseline.csv", "tiny.toml"), marks=pytest.mark.slow),
        ("validate", "submissions/waits"),
        ("rerun",),
    ],
    ids=lambda command: command[0],
)
def test_whatever_runs_trials_ends_alike(folder: Path, command: tuple[str, ...]) -> None:
    if command == ("rerun",):
        with (folder / "baseline.csv").open(newline="") as file:
            command = ("rerun", next(row["trial"] for row in csv.DictReader(file) if row["discovery_rate"] == "1.0"))
    stopped(folder, start(folder, *command), signal.SIGTERM)


def test_a_run_under_nohup_goes_on(folder: Path) -> None:
    command = (*RUN, "--database", str(folder / "nohup.db"))
    process = start(folder, *command, ignored=(signal.SIGHUP,))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    (folder / "wait").unlink()
    assert process.wait(PATIENCE) == 0, process.communicate()
    process.communicate()


def test_a_run_whose_terminal_is_gone_ends_too(folder: Path) -> None:
    """Closing a terminal sends SIGHUP, and then nothing can be written to it any more."""
    database = folder / "terminal.db"
    (folder / "note").unlink(missing_ok=True)
    (folder / "wait").touch()
    code = "import sys; from unlearnbench.cli import main; main(sys.argv[1:])"
    pid, terminal = os.forkpty()
    if pid == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-c", code, *RUN, "--database", str(database)])
    os.set_blocking(terminal, False)

    def waits() -> bool:
        with suppress(BlockingIOError):
            os.read(terminal, 2**16)  # or the harness would wait for someone to read
        return (folder / "note").exists()

    until(waits)
    trial = int((folder / "note").read_text())
    os.close(terminal)
    until(lambda: not Path(f"/proc/{trial}").exists())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGHUP
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)
    connection.close()
