"""No unlearning: the floor for healing and, mostly, the ceiling for utility."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Original(UnlearningMethod):
    """Return the original model unchanged."""

    def unlearn(self, problem: Problem) -> nn.Module:
        return problem.original()
