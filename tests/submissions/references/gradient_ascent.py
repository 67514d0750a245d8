"""Gradient ascent as REM's code runs it: passes over D_f until it is forgotten, the best snapshot by the proxy."""

from __future__ import annotations

from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, Samples, accuracy, forget_and_retain, one_pass, original
from unlearnbench import Problem


def reference(problem: Problem, learning_rate: float, max_passes: int, selection_samples: int) -> Trace:
    forget, retain = forget_and_retain(problem)
    judged = Samples(retain.x[:selection_samples], retain.y[:selection_samples])
    gamma = problem.budget.stop_accuracy
    model = original(problem)
    sgd = SGD(model, problem)
    trace = Trace(final=state(model))
    best = 0.0
    passes = 0
    while passes < max_passes and accuracy(model, forget) > gamma:
        for x, y in one_pass(forget, problem.budget.batch_size):
            (-functional.cross_entropy(model(x), y)).backward()
            sgd.step(learning_rate)
            trace.steps.append(state(model))
        passes += 1
        proxy = accuracy(model, judged) * (1 - max(accuracy(model, forget), gamma))
        if proxy > best:
            best, trace.final = proxy, state(model)
    return trace
