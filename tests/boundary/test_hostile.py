"""No submission can cheat, crash or stop the harness: all of tests/hostile in one run, at each level of isolation."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boundary import hostile
from unlearnbench.boundary import boundary
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.store.schema import TrialRow
from unlearnbench.submissions.finding import Submission, read

MEASURED = ("weights_hash", "healed_train", "healed_test", "utility", "utility_train", "aggregate", "selection_score")


@dataclass(frozen=True)
class Campaign:
    level: Isolation
    folder: Path
    results: dict[str, TrialRow]
    outcomes: dict[str, str]
    left: list[str]
    """What was still there afterwards: temporary files and processes."""


def need_strict() -> None:
    """Skip where this machine cannot isolate strictly; where the project is checked, it must."""
    try:
        with Boundary("strict"):
            pass
    except UsageError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def processes(words: bytes) -> list[str]:
    """The living processes whose command line has these words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if words in line and int(folder.name) != os.getpid():
            found.append(line.replace(b"\0", b" ").decode())
    return found


def remains(temporary: Path) -> list[str]:
    """Files in a temporary folder, processes that were started there, and what `forks` leaves behind."""
    files = [str(file) for file in temporary.rglob("*")]
    return files + processes(str(temporary).encode()) + processes(b"sleep\x0086399")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrialRow]:
    """The honest submissions without any other."""
    results = hostile.run("process", hostile.honest(), tmp_path_factory.mktemp("clean"), 2)
    return {result.label: result.trial for result in results}


@pytest.fixture(scope="module", params=[pytest.param("process", marks=pytest.mark.slow), "strict"])
def campaign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    level = request.param
    if level == "strict":
        need_strict()
    folder, temporary = tmp_path_factory.mktemp(level), tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        patch.setattr(boundary, "ANSWER_SECONDS", 5.0)  # for those that stop the processes of the harness
        results = hostile.campaign(level, folder, 2)
    deadline = time.monotonic() + 10  # what was killed may take a moment to go
    while (left := remains(temporary)) and time.monotonic() < deadline:
        time.sleep(0.05)
    rows = {result.label: result.trial for result in results}
    return Campaign(level, folder, rows, {result.label: result.outcome for result in results}, left)


def test_each_is_recorded_with_its_exact_reason(campaign: Campaign) -> None:
    wrong = {
        label: (campaign.outcomes[label], campaign.results[label].detail)
        for label in hostile.EXPECTED
        if (wanted := hostile.expected(label, campaign.level)) and not campaign.outcomes[label].startswith(wanted)
    }
    assert not wrong
    assert {row.isolation for row in campaign.results.values()} == {campaign.level}


def test_the_scores_of_others_are_those_of_a_run_without_them(campaign: Campaign, clean: dict[str, TrialRow]) -> None:
    assert set(clean) == set(hostile.HONEST)
    for label, alone in clean.items():
        for name in MEASURED:
            assert getattr(campaign.results[label], name) == getattr(alone, name), (label, name)


def test_nothing_is_left_behind(campaign: Campaign) -> None:
    assert campaign.left == []
    assert not (campaign.folder / "unpickled").exists()
    assert (campaign.folder / "note").exists() == (campaign.level == "process")  # what only the strict level prevents


def test_what_it_says_of_itself_is_not_believed(campaign: Campaign) -> None:
    for name in ("forges_its_result", "computes_on_import"):
        seconds = campaign.results[name].seconds
        assert seconds is not None
        assert 1 <= seconds < 8
    assert (campaign.results["computes_on_import"].processor_seconds or 0.0) > 1
    forged = campaign.results["forges_its_result"]
    assert (forged.forward_samples, forged.backward_samples) == (None, None)
    patched, spoilt, honest = (campaign.results[name] for name in ("patches", "spoils_its_problem", "original"))
    # The honest one uses no forget set, so it has no score of what it forgot.
    assert all(getattr(patched, name) == getattr(honest, name) for name in MEASURED if name != "selection_score")
    assert honest.selection_score is None
    assert spoilt.utility is not None
    assert honest.utility is not None
    assert spoilt.weights_hash != honest.weights_hash


def test_what_it_says_is_cut_and_can_be_shown(campaign: Campaign) -> None:
    detail = campaign.results["prints"].detail or ""
    assert "said enough" in detail
    assert len(detail) <= 8000
    for row in campaign.results.values():
        said = (row.reason or "") + (row.detail or "")
        assert not [char for char in said if not char.isprintable() and char not in "\n\t"]


def test_a_killed_harness_keeps_what_it_stored(tmp_path: Path) -> None:
    """What the level `process` cannot prevent; `kills_the_harness` above shows that `strict` does."""
    code = (
        "import os\nfrom dataclasses import replace\nfrom pathlib import Path\nfrom tests.boundary import hostile\n"
        "from unlearnbench.submissions.finding import read\n"
        "killer, = read(hostile.HOSTILE / 'kills_the_harness')\n"
        "killer = replace(killer, hyperparameters={'target': os.getpid()})\n"
        f"hostile.run('process', [*hostile.honest()[:1], killer], Path({str(tmp_path)!r}), 1)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], timeout=120, env=environment, cwd=hostile.ROOT)
    assert ended.returncode == -signal.SIGKILL
    with sqlite3.connect(tmp_path / "results.db") as connection:
        assert connection.execute("SELECT state FROM trials").fetchall() == [("finished",)]


def fake(folder: Path, script: str) -> str:
    """A PATH on which bwrap is this script."""
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_no_bubblewrap_is_a_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs bubblewrap, but `bwrap` is not on the PATH"), Boundary("strict"):
        pass


def test_another_system_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UsageError, match="needs Linux, but this is darwin"), Boundary("strict"):
        pass


def test_namespaces_that_are_not_permitted_are_a_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both as old containers say it, to all of bubblewrap, and as a limit says it, to the sandbox in the server."""
    refuse = "echo 'bwrap: No permissions to create new namespace' >&2; exit 1"
    words = "isolation 'strict' does not work here: bwrap: No permissions to create new namespace"
    monkeypatch.setenv("PATH", fake(tmp_path, refuse))
    with pytest.raises(UsageError, match=words), Boundary("strict"):
        pass
    real = shutil.which("bwrap", path=os.environ["PATH"].partition(":")[2])
    if real is None:
        need_strict()
    script = f'case "$*" in *unlearnbench.boundary.server*) exec {real} "$@";; *) {refuse};; esac'
    monkeypatch.setenv("PATH", fake(tmp_path, script))
    with pytest.raises(UsageError, match=words), Boundary("strict"):
        pass


def test_a_trial_sees_the_files_that_were_hashed_and_no_others(
    tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path
) -> None:
    lists = make_submission("lists", "raise ValueError(sorted(os.listdir(os.path.dirname(__file__))))")
    assert lists.folder is not None
    for name in ("helper.py", "helper.pyc", "notes.md"):
        (lists.folder / name).write_text("")
    (lists.folder / "__pycache__").mkdir()
    (lists.folder / "__pycache__" / "method.cpython-311.pyc").write_text("")
    (result,) = hostile.run("process", read(lists.folder), tmp_path, 1)
    assert result.outcome == "raised: ValueError: ['helper.py', 'method.py']"
