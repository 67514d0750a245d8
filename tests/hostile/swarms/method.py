"""Starts more and more processes."""

import subprocess

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        started = []
        while True:
            started.append(subprocess.Popen(["sleep", "86399"]))
