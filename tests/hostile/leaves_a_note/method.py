"""Leaves a file for a later trial at a place of its choice."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Method(UnlearningMethod):
    target: str = ""

    def unlearn(self, problem: Problem) -> nn.Module:
        Path(self.target).touch()
        return problem.original()
