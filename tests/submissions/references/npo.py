"""NPO as REM's code runs it: beta l - beta l_ref, the reference in training mode too; one pass is made in any case.

`frozen` is the project's own variant: model and reference in evaluation mode.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, Samples, accuracy, forget_and_retain, one_pass, original
from unlearnbench import Problem


def reference(
    problem: Problem, learning_rate: float, beta: float, max_passes: int, selection_samples: int, frozen: bool = False
) -> Trace:
    forget, retain = forget_and_retain(problem)
    judged = Samples(retain.x[:selection_samples], retain.y[:selection_samples])
    gamma = problem.budget.stop_accuracy
    model, before = original(problem), original(problem)
    sgd = SGD(model, problem)
    trace = Trace(final=state(model))
    best = 0.0
    for number in range(max_passes):
        if number > 0 and accuracy(model, forget) <= gamma:
            break
        for x, y in one_pass(forget, problem.budget.batch_size):
            model.train(not frozen)
            before.train(not frozen)
            with torch.no_grad():
                reference_loss = functional.cross_entropy(before(x), y, reduction="none")
            loss = functional.cross_entropy(model(x), y, reduction="none")
            ratio = torch.sigmoid(beta * (loss - reference_loss)).log()
            (-2 / beta * ratio.mean()).backward()
            sgd.step(learning_rate)
            trace.steps.append(state(model))
        proxy = accuracy(model, judged) * (1 - max(accuracy(model, forget), gamma))
        if proxy > best:
            best, trace.final = proxy, state(model)
    return trace
