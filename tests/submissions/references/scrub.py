"""SCRUB as its authors' notebook runs it: each epoch a max pass over D_f, while there are any left, and a min pass."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, Samples, forget_and_retain, one_pass, original
from unlearnbench import Problem


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 / B times the sum over the batch and the classes of p_t (log p_t - log p_s)."""
    p = (teacher / temperature).softmax(1)
    q = (student / temperature).softmax(1)
    return temperature**2 * (p * (p.log() - q.log())).sum() / len(p)


def reference(
    problem: Problem, learning_rate: float, alpha: float, gamma: float, temperature: float, max_passes: int
) -> Trace:
    forget, retain = forget_and_retain(problem)
    size, budget = problem.budget.batch_size, problem.budget.steps
    student, teacher = original(problem), original(problem).eval()
    sgd, trace = SGD(student, problem), Trace()

    def step(loss: Tensor) -> None:
        loss.backward()
        sgd.step(learning_rate)
        trace.steps.append(state(student))

    def taught(batch: Samples) -> Tensor:
        with torch.no_grad():
            answers = teacher(batch.x)
        assert isinstance(answers, Tensor)
        return answers

    epoch = 0
    while len(trace.steps) < budget:
        epoch += 1
        if epoch <= max_passes:
            for batch in one_pass(forget, size):
                if len(trace.steps) < budget:
                    step(-distillation(student(batch.x), taught(batch), temperature))
        for batch in one_pass(retain, size):
            if len(trace.steps) < budget:
                logits = student(batch.x)
                kd = distillation(logits, taught(batch), temperature)
                step(gamma * functional.cross_entropy(logits, batch.y) + alpha * kd)
    trace.final = state(student)
    return trace
