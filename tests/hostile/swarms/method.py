"""Starts more and more processes."""

import os
import time

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        while True:
            if os.fork() == 0:
                time.sleep(60)
