"""Properties of this machine that are recorded with a run: device, precision, versions, source revision."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

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


def keep_memory() -> None:
    """Keep freed memory in this process for the next batch. Has an effect with glibc only.

    By default glibc returns large blocks to the system when they are freed. Each new large tensor then costs one page
    fault per 4 KiB.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOC.values():
            libc.mallopt(parameter, value)


_POPULATE_READ = 22
"""MADV_POPULATE_READ of madvise(2), which Python does not name."""


def map_constants() -> None:
    """Map the constants of torch's kernels into this process, for one that was forked. Takes milliseconds.

    A fork does not copy the page tables of files. Some AVX-512 kernels (CELU's expm1, log1p) load constants with a mask
    of which no lane is active: that maps no page, and takes a slow path of the processor each time. It never changes a
    result, and older systems than Linux 5.14 refuse it.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return
    libc = ctypes.CDLL(None)
    for line in maps.read_text().splitlines():
        addresses, permissions, *_, name = line.split(maxsplit=5)
        if permissions == "r--p" and "libtorch_cpu" in name:  # not CUDA's libraries, which are gigabytes
            begin, end = (int(address, 16) for address in addresses.split("-"))
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _POPULATE_READ)


FASTER = 1.2
"""How many times as fast bfloat16 must be for `auto` to choose it. Less is noise on a busy machine."""


def precision(wanted: str, device: str) -> str:
    """The precision to use on this machine. `auto` means bfloat16 if it is faster, else float32.

    A processor is measured. No list of instruction sets answers for it: with AVX-512 BF16 alone, one makes trials 1.6
    to 1.9 times slower, another twice as fast (docs/performance.md). A GPU is asked whether it has units for bfloat16.
    """
    if wanted != "auto":
        return wanted
    if device == "cuda":
        faster = bool(torch.cuda.is_bf16_supported(including_emulation=False))
    else:
        faster = bfloat16_speed() >= FASTER
    return "bfloat16" if faster else "float32"


@cache
def bfloat16_speed() -> float:
    """How many times as fast as float32 this processor computes in bfloat16.

    By the least time of a matrix product and of a small convolution, forward and backward, on one thread. Takes some
    tens of milliseconds, or a second where bfloat16 is emulated.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        tries = [(_seconds(enabled=False), _seconds(enabled=True)) for _ in range(3)]
    finally:
        torch.set_num_threads(threads)
    slow, fast = zip(*tries, strict=True)
    return float(min(slow) / min(fast))


def _seconds(*, enabled: bool) -> float:
    """Processor time of both, with or without bfloat16. Unlike wall time, it leaves out what else the machine does."""
    matrix = torch.ones(384, 384, requires_grad=True)
    images = torch.ones(32, 32, 16, 16).to(memory_format=torch.channels_last).requires_grad_()
    kernels = torch.ones(32, 32, 3, 3, requires_grad=True)
    begin = time.thread_time()
    with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled, cache_enabled=False):
        result = (matrix @ matrix).sum() + functional.conv2d(images, kernels, padding=1).sum()
    result.backward()
    return time.thread_time() - begin


def _processor() -> str:
    """Its name, on Linux with family and model. psutil does not expose them."""
    information = Path("/proc/cpuinfo")
    return processor(information.read_text() if information.exists() else "") or platform.processor()


def processor(information: str) -> str:
    """The first processor's name in the text of /proc/cpuinfo, with family and model. Empty if it has none.

    A hypervisor may give every generation the same name ("AMD EPYC"), and generations round differently.
    """
    lines = (line.partition(":") for line in information.split("\n\n")[0].splitlines())
    field = {key.strip(): value.strip() for key, _, value in lines}
    name = field.get("model name", "")
    if not name or not {"cpu family", "model"} <= field.keys():
        return name
    return f"{name} (family {field['cpu family']}, model {field['model']})"


def hardware(device: str) -> dict[str, Any]:
    return {
        "processor": _processor(),
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
