"""l1-sparse: cross-entropy on D_r plus a penalty on all parameters that falls from epoch to epoch."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, forget_and_retain, one_pass, original
from unlearnbench import Problem


def reference(problem: Problem, learning_rate: float, gamma: float) -> Trace:
    _, retain = forget_and_retain(problem)
    model = original(problem)
    sgd, trace = SGD(model, problem), Trace()
    batches = one_pass(retain, problem.budget.batch_size)
    epochs = -(-problem.budget.steps // len(batches))
    for epoch in range(epochs):
        penalty = gamma * (1 - epoch / epochs)
        for x, y in batches:
            if len(trace.steps) == problem.budget.steps:
                break
            functional.cross_entropy(model(x), y).backward()
            for weight in model.parameters():
                assert weight.grad is not None
                weight.grad += penalty * torch.sign(weight.detach())
            sgd.step(learning_rate)
            trace.steps.append(state(model))
    trace.final = state(model)
    return trace
