"""The filter of system calls: what it refuses, and that methods do not need it."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.boundary.test_hostile import need_strict
from unlearnbench.boundary import sandbox, system_calls
from unlearnbench.problems.suite import Limits, Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission

COLUMN, _ = system_calls.ARCHITECTURES.get(platform.machine(), (0, 0))
AF_INET, AF_VSOCK, AF_ALG = 2, 40, 38
SIGCHLD, CLONE_NEWUSER = 17, 0x10000000


def filtered(calls: list[tuple[int, ...]]) -> list[int]:
    """The error number of each system call in a process with the filter. 0 if it succeeds."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        sandbox.give_up_privileges()
        system_calls.refuse()
        libc = ctypes.CDLL(None, use_errno=True)
        for call in calls:
            ctypes.set_errno(0)
            libc.syscall(*call, *[0] * (7 - len(call)))
            os.write(writer, bytes([ctypes.get_errno()]))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answers = list(file.read())
    assert os.waitpid(pid, 0)[1] == 0
    return answers


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the filter is for Linux")


def test_every_listed_call_is_refused() -> None:
    numbers = {name: number for name, row in system_calls.REFUSED.items() if (number := row[COLUMN]) is not None}
    assert len(numbers) > 80
    answers = dict(zip(numbers, filtered([(number,) for number in numbers.values()]), strict=True))
    assert set(answers.values()) == {errno.EPERM}, answers


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ((system_calls.SOCKET[COLUMN], AF_VSOCK, 1), errno.EAFNOSUPPORT),
        ((system_calls.SOCKET[COLUMN], AF_ALG, 5), errno.EAFNOSUPPORT),
        ((system_calls.SOCKET[COLUMN], AF_INET, 1), 0),
        ((system_calls.CLONE[COLUMN], CLONE_NEWUSER | SIGCHLD), errno.EPERM),
        ((system_calls.PRCTL[COLUMN], system_calls.PR_SET_DUMPABLE, 0), errno.EPERM),
        ((system_calls.PRCTL[COLUMN], 3), 0),  # PR_GET_DUMPABLE
        ((system_calls.MADVISE[COLUMN], 0, 0, system_calls.PAGE_OUT[1]), errno.EPERM),
        ((system_calls.MADVISE[COLUMN], 0, 0, 4), 0),  # MADV_DONTNEED, which allocators use
        ((system_calls.CLONE3[COLUMN],), errno.ENOSYS),
        ((system_calls.NEWEST + 1,), errno.ENOSYS),
        ((10**6,), errno.ENOSYS),
    ],
)
def test_arguments_decide_where_a_method_may_need_the_call(call: tuple[int, ...], error: int) -> None:
    assert filtered([call]) == [error]


def test_the_second_number_of_a_call_ends_the_process() -> None:
    with pytest.raises(AssertionError):
        filtered([(system_calls.X32 | 1,)])


def test_an_unknown_architecture_is_an_error() -> None:
    with pytest.raises(OSError, match="system calls of riscv64 are not known, only those of x86_64 and aarch64"):
        system_calls.program("riscv64")


LOADER = """
from torch.utils.data import DataLoader, TensorDataset
pairs = TensorDataset(problem.train.images[:64], problem.train.labels[:64])
seen = sum(len(labels) for _ in range(2) for _, labels in DataLoader(pairs, batch_size=16, num_workers=2))
assert seen == 128
return problem.original()
"""
COMPILE = """
twice = torch.compile(lambda values: torch.relu(values) * 2, backend={backend!r})
values = torch.linspace(-1, 1, 64, requires_grad=True)
twice(values).sum().backward()
assert torch.equal(values.grad, (values > 0) * 2.0)
return problem.original()
"""
TRAIN = """
model = problem.original()
optimizer = problem.optimizer(model)
for batch in problem.retain.batches(4):
    loss = torch.nn.functional.cross_entropy(model(batch.images), batch.labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(model.state_dict(), "checkpoint.pt")
model.load_state_dict(torch.load("checkpoint.pt"))
return model
"""


@pytest.mark.slow
def test_methods_train_load_with_workers_and_compile(
    make_submission: Callable[..., Submission], tiny_suite: Suite, tmp_path: Path
) -> None:
    need_strict()
    backend = "inductor" if shutil.which("g++") else "aot_eager"  # inductor needs a compiler
    bodies = {"trains": TRAIN, "loads": LOADER, "compiles": COMPILE.format(backend=backend)}
    submissions = [make_submission(name, body.strip()) for name, body in bodies.items()]
    with Store(str(tmp_path / "results.db")) as store:
        suite = replace(tiny_suite, limits=Limits(seconds=300))
        run_suite(suite, submissions, store, tmp_path, isolation="strict")
        with Session(store.engine) as session:
            records = session.scalars(select(TrialRow)).all()
    assert {record.reason: record.detail for record in records if record.state != "finished"} == {}
    assert len(records) == 3
