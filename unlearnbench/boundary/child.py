"""Inside the boundary: the process of one trial. It gets a request and files, and nothing else.

The process reports its phases as JSON lines on a pipe: `loaded` (the problem is ready, and the clock starts), then
`finished` or `failed`, after which it is killed. An original in training also reports, once a second, how many samples
it has been trained on (`trained`). If it ends before `loaded`, the harness is at fault, later the method.
"""

from __future__ import annotations

import errno
import importlib
import json
import multiprocessing
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._C._functorch as _functorch  # has no public counterpart
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from unlearnbench.boundary.isolation import DISK_BYTES
from unlearnbench.boundary.problem import make_problem
from unlearnbench.boundary.request import Order, Request
from unlearnbench.boundary.returned import watched, weights_of
from unlearnbench.contract.classifier import Classifier
from unlearnbench.contract.method import Problem, UnlearningMethod
from unlearnbench.submissions.sources import VENDOR
from unlearnbench.system import machine


def work(order: Order, report: int) -> None:
    """Run one trial. The caller has already isolated this process.

    Args:
        report: descriptor of the pipe for reports. Standard input gives one byte when the clock of the trial runs.
    """

    def tell(event: str, **values: Any) -> None:
        os.write(report, (json.dumps({"event": event, **values}) + "\n").encode())

    request = order.request
    machine.map_constants()
    # Workers of a `DataLoader` are forked on every Python. Since 3.14 the default is a new process, which has to import
    # torch, and to which PyTorch cannot send a problem, because of its generator (seen with 2.15).
    multiprocessing.set_start_method("fork", force=True)
    problem = prepare(request)
    counts, told = {"forward": 0, "backward": 0}, time.monotonic()

    def tell_progress() -> None:
        nonlocal told
        if request.original is None and time.monotonic() - told >= 1:
            told = time.monotonic()
            tell("trained", samples=counts["backward"])

    count_samples(counts, tell_progress)
    if request.memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (request.memory_bytes, request.memory_bytes))
    tell("loaded")  # before the submission is imported: what it does then counts too
    os.read(0, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        weights = unlearned(request, problem)
        save_file({name: tensor.clone() for name, tensor in weights.items()}, "weights.safetensors")
    except BaseException as error:
        tell("failed", reason=reason_of(error, order), detail=traceback.format_exc()[-4000:], **counts)
    else:
        tell("finished", **counts)


def prepare(request: Request) -> Problem:
    """Seed the global random generators of this process, and build the problem."""
    torch.set_num_threads(request.threads)
    seed = request.seed
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
    return make_problem(request)


def unlearned(request: Request, problem: Problem) -> dict[str, Tensor]:
    """Import the method, call it in the precision of the suite, and return the weights that it gives, on the CPU.

    Raises:
        BaseException: whatever the submission raises.
    """
    method = _method(request)
    problem, handed = watched(problem)
    precision = torch.bfloat16 if request.precision == "bfloat16" else torch.float32
    # Autocast caches cast weights until the context ends, so it would use those of the first step throughout.
    enabled = precision is torch.bfloat16
    with torch.autocast(problem.device.type, precision, enabled=enabled, cache_enabled=False):
        returned = method.unlearn(problem)
        if problem.device.type == "cuda":
            torch.cuda.synchronize()
    if request.original is None and isinstance(returned, nn.Module):  # an original: what it holds is part of it
        weights = returned.state_dict()
    else:
        weights = weights_of(returned, problem, handed)
    return {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}


def reason_of(error: BaseException, order: Order) -> str:
    text = str(error).strip().splitlines()[0][:300] if str(error).strip() else ""
    out_of_memory = (MemoryError, torch.cuda.OutOfMemoryError)  # where torch before 2.5 has it too
    if isinstance(error, out_of_memory) or "can't allocate memory" in str(error):
        return f"memory: over {order.request.memory_bytes / 2**30:g} GiB"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f"disk: over {DISK_BYTES / 2**30:g} GiB"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and order.sandbox:  # its own file system
        return f"disk: over {DISK_BYTES / 2**30:g} GiB"
    if isinstance(error, SystemExit):
        return f"exited: code {error.code} without a result"
    if isinstance(error, TypeError) and text.startswith("unlearn returned"):
        return f"invalid weights: {text}"
    return f"raised: {type(error).__name__}: {text}".rstrip(": ")


def count_samples(counts: dict[str, int], counted: Callable[[], None] = lambda: None) -> RemovableHandle:
    """Count the samples of forward and backward passes through any classifier, until the handle is removed.

    Args:
        counted: called after each forward pass.
    """

    def seen(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, Classifier):
            counts["forward"] += _samples(output)
            if output.requires_grad:
                output.register_hook(lambda gradient: counts.update(backward=counts["backward"] + _samples(gradient)))
            counted()

    return nn.modules.module.register_module_forward_hook(seen)


def _samples(logits: Tensor) -> int:
    """The number of samples in logits [N, classes], also within `torch.func.vmap`, which hides a dimension."""
    whole = logits
    while _functorch.is_functorch_wrapped_tensor(whole):
        whole = _functorch.get_unwrapped(whole)
    return whole.numel() // logits.shape[-1]


def _method(request: Request) -> UnlearningMethod:
    module, class_name = request.entry.split(":")
    if request.folder is not None:  # import the folder as a package, so that its modules can import each other
        folder = Path(request.folder)
        sys.path[:0] = [str(folder.parent), str(folder / VENDOR)]  # code of others imports itself by its own name
        module = f"{folder.name}.{module}"
    method = getattr(importlib.import_module(module), class_name)(**request.hyperparameters)
    if not isinstance(method, UnlearningMethod):
        raise TypeError(f"{request.entry} is not an UnlearningMethod")
    return method
