"""Writes one file that is too large."""

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        with open("large", "wb") as file:
            file.truncate(2**31)
        return problem.original()
