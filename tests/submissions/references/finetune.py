"""CF as Goel et al. run it: cross-entropy on D_r; the rate warms up over n // 100 steps, then falls linearly."""

from __future__ import annotations

from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, forget_and_retain, one_pass, original
from unlearnbench import Problem


def reference(problem: Problem, learning_rate: float) -> Trace:
    _, retain = forget_and_retain(problem)
    model = original(problem)
    sgd, trace = SGD(model, problem), Trace()
    n = problem.budget.steps
    warmup = n // 100
    t = 0
    while t < n:
        for x, y in one_pass(retain, problem.budget.batch_size):
            if t == n:
                break
            functional.cross_entropy(model(x), y).backward()
            factor = (t + 1) / (warmup + 1) if t < warmup else 1 - (t - warmup) / (1.25 * n)
            sgd.step(learning_rate * factor)
            trace.steps.append(state(model))
            t += 1
    trace.final = state(model)
    return trace
