"""What a machine is asked: its precision, and that it keeps freed memory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize(
    ("capability", "flags", "native"),
    [
        ("AVX512", "avx512f avx512_bf16 amx_tile amx_bf16", True),
        ("AVX512", "avx512f avx512_bf16", False),
        ("AVX2", "avx2 amx_bf16", False),
    ],
)
def test_only_matrix_units_make_bfloat16_native_on_a_processor(
    monkeypatch: pytest.MonkeyPatch, capability: str, flags: str, native: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(machine, "_processor_field", lambda name: flags)
    assert machine.native_bfloat16("cpu") is native
    assert machine.precision("auto", "cpu") == ("bfloat16" if native else "float32")
    assert machine.precision("bfloat16", "cpu") == "bfloat16"


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
