"""Reads what it was not given: the store, another original, the files of the user."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Method(UnlearningMethod):
    target: str = ""

    def unlearn(self, problem: Problem) -> nn.Module:
        path = Path(self.target)
        list(path.iterdir()) if path.is_dir() else path.read_bytes()
        return problem.original()
