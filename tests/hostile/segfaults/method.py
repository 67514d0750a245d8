"""Reads from address 0."""

import ctypes

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        ctypes.string_at(0)
        return problem.original()
