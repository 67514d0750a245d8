"""SCRUB as Goel et al. run it: CE + alpha KD, up on D_f with its labels, down on D_r; all steps move their schedule."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, Samples, forget_and_retain, one_pass, original
from unlearnbench import Problem


def reference(problem: Problem, learning_rate: float, alpha: float, temperature: float, max_passes: int) -> Trace:
    forget, retain = forget_and_retain(problem)
    student, teacher = original(problem), original(problem).eval()
    sgd, trace = SGD(student, problem), Trace()
    n = problem.budget.steps
    warmup = n // 100

    def train(samples: Samples, sign: float) -> None:
        for x, y in one_pass(samples, problem.budget.batch_size):
            t = len(trace.steps)
            if t == n:
                return
            logits = student(x)
            with torch.no_grad():
                p = torch.softmax(teacher(x) / temperature, dim=1)
            log_q = torch.log_softmax(logits / temperature, dim=1)
            kd = temperature**2 * (p * (p.log() - log_q)).sum() / len(y)
            (sign * (functional.cross_entropy(logits, y) + alpha * kd)).backward()
            sgd.step(learning_rate * ((t + 1) / (warmup + 1) if t < warmup else 1 - (t - warmup) / (1.25 * n)))
            trace.steps.append(state(student))

    rounds = 0
    while len(trace.steps) < n:
        if rounds < max_passes:
            train(forget, -1)
        train(retain, 1)
        rounds += 1
    trace.final = state(student)
    return trace
