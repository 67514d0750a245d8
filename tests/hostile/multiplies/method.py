"""Takes little memory in each of many processes."""

import os
import time

import torch
from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        for _ in range(16):
            if os.fork() == 0:
                taken = torch.ones(2**26)  # 256 MiB
                time.sleep(60)
                print(len(taken))
        while True:
            time.sleep(1)
