"""Takes memory until there is no more."""

import torch
from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        taken = []
        while True:
            taken.append(torch.ones(2**26))  # 256 MiB
