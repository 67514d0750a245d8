"""Inside the boundary: from what `unlearn` returned to weights by name. Whether they fit is judged outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from unlearnbench.contract.classifier import Classifier
from unlearnbench.contract.method import Problem

WANTED = "return the repaired model or its state_dict"


@dataclass
class HandedOut:
    """The models that a problem has handed out: how many, and the last one."""

    count: int = 0
    last: Classifier | None = None


def watched(problem: Problem) -> tuple[Problem, HandedOut]:
    """The same problem, and what it will have handed out."""
    handed, new_model = HandedOut(), problem.new_model

    def remembered() -> Classifier:
        handed.count, handed.last = handed.count + 1, new_model()
        return handed.last

    return replace(problem, new_model=remembered), handed


def weights_of(returned: object, problem: Problem, handed: HandedOut) -> dict[str, Tensor]:
    """The weights of the model that a method means. Those that do not fit the architecture are left as they are.

    None means the model that was handed out, changed in place. A wrapper, such as `DataParallel` or a compiled module,
    means the model in it. Buffers that the architecture does not have are left out.

    Raises:
        TypeError: no model is meant, or it is not clear which.
    """
    if returned is None:
        returned = _changed_in_place(problem, handed)
    if isinstance(returned, nn.Module):
        weights, buffers = returned.state_dict(), {name for name, _ in returned.named_buffers()}
    elif isinstance(returned, Mapping) and all(isinstance(value, Tensor) for value in returned.values()):
        weights, buffers = dict(returned), set()
    else:
        raise TypeError(f"unlearn returned {type(returned).__name__}: {WANTED}")
    names = problem.original_weights.keys()
    if names <= weights.keys():
        prefix = ""
    else:
        inside = sorted({name.split(".")[0] + "." for name in weights})
        fitting = [part for part in inside if all(part + name in weights for name in names)]
        if len(fitting) > 1:
            several = ", ".join(part.rstrip(".") for part in fitting)
            raise TypeError(f"unlearn returned {type(returned).__name__} with several models ({several}): return one")
        prefix = fitting[0] if fitting else ""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix) and (name.removeprefix(prefix) in names or name not in buffers)
    }


def _changed_in_place(problem: Problem, handed: HandedOut) -> Classifier:
    if handed.last is None:
        raise TypeError(f"unlearn returned None without having asked for a model: {WANTED}")
    if handed.count > 1:
        raise TypeError(f"unlearn returned None after it had been given {handed.count} models: {WANTED}")
    weights, before = handed.last.state_dict(), problem.original_weights
    if all(name in before and torch.equal(tensor.cpu(), before[name].cpu()) for name, tensor in weights.items()):
        raise TypeError(f"unlearn returned None, and the model that it was given has not changed: {WANTED}")
    return handed.last
