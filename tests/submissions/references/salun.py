"""SalUn as its authors' code runs it on CIFAR-10: a mask by saliency, then random labels on the weights under it."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, Samples, forget_and_retain, one_pass, original
from unlearnbench import Problem


def reference(problem: Problem, learning_rate: float, mask: float) -> Trace:
    forget, retain = forget_and_retain(problem)
    size = problem.budget.batch_size

    model = original(problem).eval()
    weights = list(model.parameters())
    sums = [torch.zeros_like(weight) for weight in weights]
    for x, y in one_pass(forget, size):
        (-functional.cross_entropy(model(x), y)).backward()
        for total, weight in zip(sums, weights, strict=True):
            assert weight.grad is not None
            total += weight.grad
            weight.grad = None
    magnitudes = torch.cat([total.abs().flatten() for total in sums])
    ranked = magnitudes.argsort(descending=True)
    chosen = torch.zeros(len(magnitudes))
    chosen[ranked[: int(mask * len(magnitudes))]] = 1
    parts = chosen.split([weight.numel() for weight in weights])
    masks = [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]

    model.train()
    sgd, trace = SGD(model, problem), Trace()
    start = [weight.detach().clone() for weight in weights]

    def step(batch: Samples) -> None:
        functional.cross_entropy(model(batch.x), batch.y).backward()
        for weight, part in zip(weights, masks, strict=True):
            assert weight.grad is not None
            weight.grad *= part
        sgd.step(learning_rate)
        trace.steps.append(state(model))  # here the decay has moved all weights
        with torch.no_grad():
            for weight, velocity, part, before in zip(weights, sgd.velocities, masks, start, strict=True):
                weight.copy_(part * weight + (1 - part) * before)
                velocity *= part

    while len(trace.steps) < problem.budget.steps:
        for x, y in one_pass(forget, size):
            if len(trace.steps) < problem.budget.steps:
                step(Samples(x, torch.randint(problem.classes, (len(y),), generator=problem.generator)))
        for batch in one_pass(retain, size):
            if len(trace.steps) < problem.budget.steps:
                step(batch)
    trace.final = state(model)
    return trace
