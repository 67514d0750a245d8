"""EU: fresh weights and statistics, trained on D_r by the recipe of the original."""

from __future__ import annotations

from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, forget_and_retain, one_pass
from unlearnbench import Problem


def reference(problem: Problem) -> Trace:
    _, retain = forget_and_retain(problem)
    model = problem.new_model().train()
    recipe = problem.recipe
    sgd, trace = SGD(model, problem), Trace()
    warmup = int(recipe.warmup * recipe.steps)
    t = 0
    while t < recipe.steps:
        for x, y in one_pass(retain, recipe.batch_size):
            if t == recipe.steps:
                break
            functional.cross_entropy(model(x), y).backward()
            factor = (t + 1) / (warmup + 1) if t < warmup else 1 - (1 - recipe.final) * (t - warmup) / recipe.steps
            sgd.step(recipe.peak_learning_rate * factor)
            trace.steps.append(state(model))
            t += 1
    trace.final = state(model)
    return trace
