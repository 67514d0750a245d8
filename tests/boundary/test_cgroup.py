"""Control groups: limits that the kernel enforces where a group was delegated, and why not elsewhere."""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from unlearnbench.boundary import cgroup
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.cgroup import Group
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission

MIB = 2**20


def described(folder: Path, *, mounted: bool = True, controllers: str = "cpu memory pids", processes: str = "") -> Path:
    """What /proc/self says of a process in a group. The files of the group lie in `folder`."""
    group = folder / "cgroup" / "user.slice"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text(controllers)
    (group / "cgroup.procs").write_text(processes)
    other = "26 24 0:23 / /proc rw - proc proc rw\n"
    own = f"31 24 0:26 / {folder / 'cgroup'} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
    proc = folder / "proc"
    proc.mkdir()
    (proc / "mountinfo").write_text(other + own if mounted else other)
    (proc / "cgroup").write_text("8:pids:/\n0::/user.slice\n")
    return proc


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"mounted": False}, "cgroup v2 is not mounted"),
        ({"controllers": "cpu pids"}, "user.slice has no controller memory"),
        ({"controllers": ""}, "user.slice has no controller memory and pids"),
        ({"processes": "1\n17\n"}, "2 other processes are in the group .*user.slice"),
    ],
)
def test_without_a_delegated_group_the_reason_and_the_way_to_one_are_said(
    state: dict[str, str | bool], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=rf"limits cannot be enforced here: .*{reason}; start it with `systemd-run"):
        cgroup.require(described(tmp_path, **state))  # type: ignore[arg-type]


def test_a_group_of_somebody_else_is_not_delegated(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    proc = described(tmp_path)
    (tmp_path / "cgroup" / "user.slice").chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        cgroup.require(proc)


@pytest.fixture
def delegated() -> Path:
    """A group in which groups can be made. Most containers have none."""
    try:
        return cgroup.require()
    except UsageError as error:
        pytest.skip(str(error))


def ended(group: Path, act: Callable[[], None]) -> tuple[int, Group]:
    """Exit code of a process in the group that does something, and the group."""
    opened = Group.open(str(group))
    pid = os.fork()
    if pid == 0:
        try:
            opened.enter()
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), opened


def share() -> None:
    shared = mmap.mmap(-1, 200 * MIB)
    for page in range(0, len(shared), mmap.PAGESIZE):
        shared[page] = 1


def write() -> None:
    file = os.memfd_create("hidden")
    for _ in range(200):
        os.write(file, bytes(MIB))


@pytest.mark.parametrize("act", [share, write])
def test_the_kernel_ends_what_takes_too_much_memory(delegated: Path, act: Callable[[], None]) -> None:
    for limit, code in ((100 * MIB, -signal.SIGKILL), (0, 0)):
        group = cgroup.create(delegated, memory_bytes=limit, threads=100)
        ending, _ = ended(group, act)
        cgroup.remove(group)
        assert ending == code
        if limit:
            assert not group.exists()


def test_the_kernel_counts_memory_kills_and_processor_time(delegated: Path) -> None:
    group = cgroup.create(delegated, memory_bytes=100 * MIB, threads=100)
    _, opened = ended(group, lambda: None)
    assert not opened.out_of_memory()
    before = opened.processor_seconds()

    def compute() -> None:
        while time.process_time() < 0.3:
            pass

    ended(group, compute)
    assert 0.2 < opened.processor_seconds() - before < 1
    ended(group, share)
    assert opened.out_of_memory()
    cgroup.remove(group)


def test_the_kernel_refuses_too_many_threads(delegated: Path) -> None:
    group = cgroup.create(delegated, memory_bytes=0, threads=8)

    def start() -> None:
        for _ in range(20):
            threading.Thread(target=time.sleep, args=(1,), daemon=True).start()

    assert ended(group, start)[0] == 1
    cgroup.remove(group)


@pytest.mark.parametrize("level", ["process", "strict"])
def test_trials_run_in_groups_that_are_removed(
    level: str, delegated: Path, make_submission: Callable[..., Submission], tiny_suite: Suite, tmp_path: Path
) -> None:
    before = set(delegated.iterdir())
    honest = make_submission("honest", "return problem.original()")
    with Store(str(tmp_path / "results.db")) as store:
        summary = run_suite(tiny_suite, [honest], store, tmp_path, isolation=level)  # type: ignore[arg-type]
    assert (summary.ran, summary.failed) == (1, 0)
    assert set(delegated.iterdir()) == before


def test_a_boundary_says_how_its_limits_are_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse() -> Path:
        raise UsageError("limits cannot be enforced here: no group")

    monkeypatch.setattr(cgroup, "require", refuse)
    for wanted in (None, "counted"):
        with Boundary("process", wanted) as boundary:
            assert boundary.enforcement == "counted"
    with pytest.raises(UsageError, match="cannot be enforced here"), Boundary("process", "enforced"):
        pass
