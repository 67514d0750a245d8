"""NegGrad+ as RUM's code runs it: batches of D_r beside batches of D_f, whose loss is subtracted.

Epochs are passes over D_r. The forget batches go round and round; each epoch begins with their first.
"""

from __future__ import annotations

from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, forget_and_retain, one_pass, original
from unlearnbench import Problem


def reference(problem: Problem, learning_rate: float, alpha: float) -> Trace:
    forget, retain = forget_and_retain(problem)
    known = one_pass(forget, problem.budget.batch_size)
    model = original(problem)
    sgd, trace = SGD(model, problem), Trace()
    while len(trace.steps) < problem.budget.steps:
        for number, (x, y) in enumerate(one_pass(retain, problem.budget.batch_size)):
            if len(trace.steps) == problem.budget.steps:
                break
            x_f, y_f = known[number % len(known)]
            on_retain = functional.cross_entropy(model(x), y)  # first: the running statistics see D_f last
            on_forget = functional.cross_entropy(model(x_f), y_f)
            (alpha * on_retain - (1 - alpha) * on_forget).backward()
            sgd.step(learning_rate)
            trace.steps.append(state(model))
    trace.final = state(model)
    return trace
