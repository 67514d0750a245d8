"""Computes before it is called."""

import time

from torch import nn

from unlearnbench import Problem, UnlearningMethod

while time.process_time() < 1.5:
    pass


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        return problem.original()
