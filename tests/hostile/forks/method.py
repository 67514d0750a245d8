"""Leaves children: a plain one, one in a session of its own, and one of a parent that is gone."""

import os
import subprocess

from torch import nn

from unlearnbench import Problem, UnlearningMethod

SECONDS = "86399"  # what the test looks for among the processes


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        for detached in (False, True):
            if os.fork() == 0:
                if detached:
                    os.setsid()
                    if os.fork() != 0:
                        os._exit(0)
                os.execvp("sleep", ["sleep", SECONDS])
        subprocess.Popen(["sleep", SECONDS], start_new_session=True)
        return problem.original()
