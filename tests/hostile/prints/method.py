"""Prints 100 MB, then fails."""

import sys

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        for _ in range(100):
            sys.stdout.write("x" * 10**6)
        raise ValueError("said enough")
