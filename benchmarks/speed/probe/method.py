"""Fine-tuning on D_r that prints the machine's clock at its import, its first line and its last one."""

from __future__ import annotations

import time
from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from unlearnbench import Problem, UnlearningMethod

IMPORTED = time.monotonic()


@dataclass(frozen=True)
class Probe(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        begin = time.monotonic()
        model = problem.original()
        optimizer = problem.optimizer(model)
        for batch in problem.retain.batches(problem.budget.steps):
            loss = functional.cross_entropy(model(batch.images), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"clock {IMPORTED} {begin} {time.monotonic()}", flush=True)
        return model
