"""Writes files that are too many together, and removes some of the names."""

import itertools
import os
import time

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        for number in itertools.count():
            with open(str(number), "wb") as file:
                os.posix_fallocate(file.fileno(), 0, 2**26)
            time.sleep(0.02)
