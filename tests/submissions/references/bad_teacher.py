"""Bad Teacher: the student learns a random model on D_f and the original on a part of D_r, in one shuffled loader.

With `decay` the rate is Goel et al.'s.
"""

from __future__ import annotations

import torch

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, Samples, everything, is_found, one_pass, original
from unlearnbench import Problem


def reference(problem: Problem, learning_rate: float, retained: float = 0.3, decay: bool = False) -> Trace:
    x, _ = everything(problem)
    u = is_found(problem).float()
    kept = int(retained * int((u == 0).sum()))
    data = Samples(torch.cat([x[u == 1], x[u == 0][:kept]]), torch.cat([u[u == 1], u[u == 0][:kept]]))
    student, competent = original(problem), original(problem).eval()
    incompetent = problem.new_model().eval()
    sgd, trace = SGD(student, problem), Trace()
    n = problem.budget.steps
    warmup = n // 100
    while len(trace.steps) < n:
        for images, known in one_pass(data, problem.budget.batch_size):
            t = len(trace.steps)
            if t == n:
                break
            with torch.no_grad():
                nonsense, sense = incompetent(images).softmax(1), competent(images).softmax(1)
            target = known[:, None] * nonsense + (1 - known[:, None]) * sense
            log_student = student(images).log_softmax(1)
            (target * (target.log() - log_student)).mean().backward()  # over samples and classes
            factor = 1.0
            if decay:
                factor = (t + 1) / (warmup + 1) if t < warmup else 1 - (t - warmup) / (1.25 * n)
            sgd.step(learning_rate * factor)
            trace.steps.append(state(student))
    trace.final = state(student)
    return trace
