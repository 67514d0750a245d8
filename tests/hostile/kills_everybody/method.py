"""Kills every process in sight; only tried where these are its own."""

import os
import signal
import time

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        if os.getppid() != 0:
            raise PermissionError("not tried where others are in sight")
        os.kill(-1, signal.SIGKILL)
        time.sleep(60)
        return problem.original()
