"""Changes the mode of a device file, to what it is."""

import os

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        os.chmod("/dev/null", os.stat("/dev/null").st_mode)
        return problem.original()
