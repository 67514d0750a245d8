"""What a run ran on: device, precision, versions, source revision."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

_MALLOC = {  # glibc's name in the environment: number in mallopt(3), value
    "MALLOC_MMAP_MAX_": (-4, 0),
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1),
    "MALLOC_TOP_PAD_": (-2, 2**26),
}

KEEP_MEMORY = {name: str(value) for name, (_, value) in _MALLOC.items()}
"""Environment of a process that keeps the memory it frees: see `keep_memory`."""


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def native_bfloat16(device: str) -> bool:
    """Whether the processor or GPU has units that multiply bfloat16 matrices (AMX; Ampere and later).

    AVX-512 BF16 alone is not enough: with it trials took 1.6 to 1.9 times as long (docs/performance.md).
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512") and "amx_bf16" in _processor_field("flags")


def keep_memory() -> None:
    """Have this process keep the memory that it frees, for the next batch; with glibc, elsewhere nothing changes.

    By default glibc gives every large tensor back to the system, and each new one costs a page fault every 4 KiB.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOC.values():
            libc.mallopt(parameter, value)


def precision(wanted: str, device: str) -> str:
    """The suite's precision with `auto` decided for this machine: bfloat16 autocast where it is native."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if native_bfloat16(device) else "float32"


def _processor_field(name: str) -> str:
    """What Linux says of the processor, which psutil does not; empty elsewhere."""
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return ""
    for line in information.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def hardware(device: str) -> dict[str, Any]:
    return {
        "processor": _processor_field("model name") or platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
    }


def versions() -> dict[str, str]:
    packages = ("unlearnbench", "torch", "torchvision", "numpy", "scikit-learn")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def revision() -> str | None:
    """The harness's git revision, with `+` if its tree has changes; None outside a checkout or without git."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
