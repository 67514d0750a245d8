"""Fails with words that no database takes and a terminal would obey."""

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        print("\x00\x1b[2J")
        raise ValueError("\ud800\x00\x1b[31m" + "x" * 10**6)
