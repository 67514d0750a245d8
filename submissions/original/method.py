"""No unlearning: the floor of healing and, for the most part, the ceiling of utility."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Original(UnlearningMethod):
    """Return the original model as it is."""

    def unlearn(self, problem: Problem) -> nn.Module:
        return problem.original()
