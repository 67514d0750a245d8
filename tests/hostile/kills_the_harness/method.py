"""Kills the harness."""

import os
import signal
from dataclasses import dataclass

from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Method(UnlearningMethod):
    target: int = 2**22  # no process has this number

    def unlearn(self, problem: Problem) -> nn.Module:
        os.kill(self.target, signal.SIGKILL)
        return problem.original()
