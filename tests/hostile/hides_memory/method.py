"""Takes 3 GiB that no limit of a single process counts, or more threads than allowed."""

import ctypes
import mmap
import os
import threading
import time
from dataclasses import dataclass

import torch
from torch import nn

from unlearnbench import Problem, UnlearningMethod

GIB = 2**30
PR_SET_DUMPABLE = 4


@dataclass(frozen=True)
class Method(UnlearningMethod):
    way: str = "map"

    def unlearn(self, problem: Problem) -> nn.Module:
        if self.way == "map":
            shared = torch.frombuffer(mmap.mmap(-1, 3 * GIB), dtype=torch.uint8)
            shared.fill_(1)
        elif self.way == "file":
            for _ in range(4):
                file = os.memfd_create("hidden")
                for _ in range(12):
                    os.write(file, bytes(2**26))
        elif self.way == "child":
            if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
                raise PermissionError(ctypes.get_errno(), "cannot hide")
            for _ in range(12):
                if os.fork() == 0:
                    taken = torch.ones(2**26)
                    time.sleep(60)
                    print(len(taken))
        else:
            threading.stack_size(2**16)
            for _ in range(1500):
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        time.sleep(60)
        return problem.original()
