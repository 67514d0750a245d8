"""Properties of this machine that are recorded with a run: device, precision, versions, source revision."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from unlearnbench.system.shipped import PACKAGE

_MALLOC = {  # environment variable of glibc: (parameter of mallopt(3), value)
    "MALLOC_MMAP_MAX_": (-4, 0),
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1),
    "MALLOC_TOP_PAD_": (-2, 2**26),
}

KEEP_MEMORY = {name: str(value) for name, (_, value) in _MALLOC.items()}
"""Environment variables with the same effect as `keep_memory`, for child processes."""


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def native_bfloat16(device: str) -> bool:
    """Whether the processor (AMX) or GPU (Ampere or later) has bfloat16 matrix multiplication in hardware.

    AVX-512 BF16 alone is not enough: it made trials 1.6 to 1.9 times slower (docs/performance.md).
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512") and "amx_bf16" in _processor_field("flags")


def keep_memory() -> None:
    """Keep freed memory in this process for the next batch. Has an effect with glibc only.

    By default glibc returns large blocks to the system when they are freed. Each new large tensor then costs one page
    fault per 4 KiB.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOC.values():
            libc.mallopt(parameter, value)


def precision(wanted: str, device: str) -> str:
    """The precision to use on this machine. `auto` means bfloat16 if it is native, else float32."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if native_bfloat16(device) else "float32"


def _processor_field(name: str) -> str:
    """A field of /proc/cpuinfo, which psutil does not expose. Empty on systems other than Linux."""
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
    """What runs: the git revision of a checkout, with `+` for uncommitted changes, or the version of a package.

    None for a checkout without git. An installed package may lie in a repository of the user, as in a virtual
    environment there: that is not asked, and nor is one that does not hold the package's files.
    """
    if not (PACKAGE.parent / ".git").exists():  # a folder, or a file in a work tree
        return version("unlearnbench")
    try:
        _git("ls-files", "--error-unmatch", __file__)
        return _git("describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    return answer.stdout.strip()
