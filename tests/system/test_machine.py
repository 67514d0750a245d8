"""What a machine is asked: its precision, and that it keeps freed memory."""

from __future__ import annotations

import itertools
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from unlearnbench.system import machine, processes

FREED = """
import resource, sys, torch
from unlearnbench.system import machine
if sys.argv[1] == "keep":
    machine.keep_memory()
for _ in range(10):  # until its heap has found its size
    torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str, environment: dict[str, str] | None = None) -> int:
    command = [sys.executable, "-c", FREED, mode]
    answer = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, check=True)
    return int(answer.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept_by_call_and_by_environment() -> None:
    given_back = faults("not")
    assert given_back > 4 * faults("keep")
    assert given_back > 4 * faults("not", machine.KEEP_MEMORY)


@pytest.mark.parametrize(("seconds", "chosen"), [(0.5, "bfloat16"), (0.9, "float32"), (2.0, "float32")])
def test_auto_is_the_faster_precision_by_the_best_of_some_tries(
    monkeypatch: pytest.MonkeyPatch, seconds: float, chosen: str
) -> None:
    delays = itertools.cycle([1.0, 1.5, 3.0])  # other work on the machine
    monkeypatch.setattr(machine, "_seconds", lambda *, enabled: next(delays) * (seconds if enabled else 1.0))
    machine.bfloat16_speed.cache_clear()
    assert machine.precision("auto", "cpu") == chosen
    assert machine.precision("bfloat16", "cpu") == "bfloat16"
    machine.bfloat16_speed.cache_clear()


def test_the_measurement_computes_in_both_precisions_and_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.dtype] = []
    convolution = torch.nn.functional.conv2d

    def watched(*arguments: Any, **named: Any) -> torch.Tensor:
        result = convolution(*arguments, **named)
        seen.append(result.dtype)
        return result

    monkeypatch.setattr(torch.nn.functional, "conv2d", watched)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    machine.bfloat16_speed.cache_clear()
    assert 0.01 < machine.bfloat16_speed() < 100
    assert set(seen) == {torch.float32, torch.bfloat16}
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


CONSTANTS = """
import os, sys, torch
from unlearnbench.system import machine
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
def mapped():
    sizes, constants = 0, False
    for line in open("/proc/self/smaps"):
        words = line.split()
        if not words[0].endswith(":"):
            constants = words[1] == "r--p" and "libtorch_cpu" in line
        elif words[0] == "Rss:" and constants:
            sizes += int(words[1])
    return sizes
before = mapped()
machine.map_constants()
assert before < mapped() / 4, (before, mapped())
os._exit(0)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="no Linux")
def test_the_constants_of_kernels_are_mapped_in_a_forked_process() -> None:
    subprocess.run([sys.executable, "-c", CONSTANTS], check=True)


def test_a_processor_is_named_with_family_and_model_where_a_hypervisor_hides_its_generation() -> None:
    masked = "processor\t: {}\ncpu family\t: {}\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nflags\t: fpu avx\n\n"
    assert machine.processor(masked.format(0, 26) + masked.format(1, 25)) == "AMD EPYC (family 26, model 2)"
    assert machine.processor("processor\t: 0\nmodel name\t: ARM v8\n") == "ARM v8"
    assert machine.processor("") == ""


def test_cores_are_those_that_a_container_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # one of the limits that the library looks at, as a quota is
    assert processes.cores() == 1
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert processes.cores() == 1


def test_a_repository_around_the_package_that_does_not_hold_it_is_somebody_else_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@b")
        answer = subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()

    module = tmp_path / ".venv" / "machine.py"
    module.parent.mkdir()
    module.touch()
    monkeypatch.setattr(machine, "__file__", str(module))
    git("init", "--quiet")
    (tmp_path / "thesis.tex").touch()
    git("add", "thesis.tex")
    git("commit", "--quiet", "--message", "Begin")
    assert machine.revision() is None
    git("add", ".venv")
    git("commit", "--quiet", "--message", "Add the package")
    assert machine.revision() == git("rev-parse", "HEAD")
    module.write_text("changed = True")
    assert machine.revision() == git("rev-parse", "HEAD") + "+"
