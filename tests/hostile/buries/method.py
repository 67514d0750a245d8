"""Leaves folders that are hard to remove: a thousand in each other, and one that nobody may open."""

import os
from pathlib import Path

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        Path("closed").mkdir()
        Path("closed/file").write_text("")
        Path("closed").chmod(0)
        for _ in range(1500):
            os.mkdir("deep")
            os.chdir("deep")
        os.chdir(os.environ["HOME"])
        return problem.original()
