"""Inside the boundary: what runs in the fresh process of one trial. It was handed a request and files, no more.

The process reports its phases as JSON lines on one pipe: `loaded` (the harness did its part), `started` (the clock
runs), then `finished` or `failed`, after which it is ended. Anything that ends it before `loaded` is the harness's
fault, later the method's.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import random
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from unlearnbench.boundary.isolation import DISK_BYTES
from unlearnbench.contract.classifier import Classifier
from unlearnbench.contract.images import ImageSet, Pipeline
from unlearnbench.contract.method import Problem, UnlearningMethod
from unlearnbench.contract.recipe import Budget, Recipe
from unlearnbench.models import ModelSpec, build
from unlearnbench.models.training import train
from unlearnbench.models.weights import parts


def work(request: dict[str, Any], report: int) -> None:
    """Run one trial. `report` is the descriptor of the pipe; the caller has made this process's surroundings bare."""

    def tell(event: str, **values: Any) -> None:
        os.write(report, (json.dumps({"event": event, **values}) + "\n").encode())

    torch.set_num_threads(request["threads"])
    seed = request["seed"]
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
    problem = _problem(request)
    counts = {"forward": 0, "backward": 0}
    _count_samples(counts)
    if request["memory_bytes"]:
        resource.setrlimit(resource.RLIMIT_DATA, (request["memory_bytes"], request["memory_bytes"]))
    tell("loaded")
    try:
        method = _method(request)
        precision = torch.bfloat16 if request["precision"] == "bfloat16" else torch.float32
        # No cache of cast weights: inside one long context it would keep those of the first step for ever.
        enabled = precision is torch.bfloat16
        with torch.autocast(problem.device.type, precision, enabled=enabled, cache_enabled=False):
            tell("started")
            model = method.unlearn(problem)
            if problem.device.type == "cuda":
                torch.cuda.synchronize()
        if not isinstance(model, nn.Module):
            raise TypeError(f"unlearn returned {type(model).__name__}, not a model")
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        save_file({name: tensor.clone() for name, tensor in weights.items()}, "weights.safetensors")
    except BaseException as error:
        tell("failed", reason=_reason(error, request), detail=traceback.format_exc()[-4000:], **counts)
    else:
        tell("finished", **counts)


def _reason(error: BaseException, request: dict[str, Any]) -> str:
    text = str(error).strip().splitlines()[0][:300] if str(error).strip() else ""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return f"memory: over {request['memory_bytes'] / 2**30:g} GiB"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f"disk: over {DISK_BYTES / 2**30:g} GiB"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and request["sandbox"]:  # its own file system
        return f"disk: over {DISK_BYTES / 2**30:g} GiB"
    if isinstance(error, SystemExit):
        return f"exited: code {error.code} without a result"
    if isinstance(error, TypeError) and text.startswith("unlearn returned"):
        return f"invalid weights: {text}"
    return f"raised: {type(error).__name__}: {text}".rstrip(": ")


def _problem(request: dict[str, Any]) -> Problem:
    device = torch.device(request["device"])
    generator = torch.Generator().manual_seed(request["seed"])
    tensors = {name: tensor.to(device) for name, tensor in load_file(request["training_set"]).items()}
    budget, pipeline = Budget(**request["budget"]), Pipeline(**request["pipeline"])
    model = ModelSpec(**request["model"])
    ids = torch.arange(len(tensors["labels"]), device=device)
    images = ImageSet(tensors["images"], tensors["labels"], ids, pipeline, generator, budget.batch_size)

    def new_model() -> Classifier:
        return build(model).to(device).to(memory_format=torch.channels_last)

    original, expanded = parts(load_file(request["original"])) if request["original"] else ({}, None)

    def positions(name: str) -> torch.Tensor | None:
        values = request[name]
        return None if values is None else torch.tensor(values, dtype=torch.int64, device=device)

    forget = positions("forget")
    assert forget is not None, "a request always names the forget set"
    return Problem(
        train=images,
        forget_positions=forget,
        classes=model.classes,
        budget=budget,
        recipe=Recipe(**request["recipe"]),
        device=device,
        generator=generator,
        new_model=new_model,
        original_weights=original or new_model().state_dict(),
        expanded_weights=expanded,
        trainer=train,
        corrupted_positions=positions("corrupted"),
    )


def _count_samples(counts: dict[str, int]) -> None:
    """Count samples that go forward and backward through any classifier in this process."""

    def seen(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, Classifier):
            counts["forward"] += len(output)
            if output.requires_grad:
                output.register_hook(lambda gradient: counts.update(backward=counts["backward"] + len(gradient)))

    nn.modules.module.register_module_forward_hook(seen)


def _method(request: dict[str, Any]) -> UnlearningMethod:
    module, class_name = request["entry"].split(":")
    if request["folder"] is not None:  # it is a package of its own name, so its modules can import each other
        folder = Path(request["folder"])
        sys.path.insert(0, str(folder.parent))
        module = f"{folder.name}.{module}"
    method = getattr(importlib.import_module(module), class_name)(**request["hyperparameters"])
    if not isinstance(method, UnlearningMethod):
        raise TypeError(f"{request['entry']} is not an UnlearningMethod")
    return method
