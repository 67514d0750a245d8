"""Returns a model with hooks, whose weights are tensors that run code when they are unpickled."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Loaded(torch.Tensor):
    @staticmethod
    def __new__(cls, tensor: torch.Tensor) -> Any:
        return torch.Tensor._make_subclass(cls, tensor)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return print, ("unpickled",)


@dataclass(frozen=True)
class Method(UnlearningMethod):
    target: str = ""

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        weights = {name: Loaded(tensor) for name, tensor in model.state_dict().items()}
        model.register_forward_hook(lambda *_: Path(self.target).touch())
        model.state_dict = lambda *_, **__: weights  # type: ignore[method-assign]
        torch.save({"weights": Loaded(torch.ones(1))}, "weights.pt")
        return model
