"""Changes the mode of the file of its interpreter, to what it is."""

import os

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        os.chmod("/proc/self/exe", os.stat("/proc/self/exe").st_mode)
        return problem.original()
