"""Fine-Pruning: channels that are quiet on D_r are cut off the last layer, quietest first; then D_r is learnt."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import SGD, Samples, accuracy, forget_and_retain, one_pass, original
from unlearnbench import Problem


def reference(problem: Problem, learning_rate: float, max_drop: float, selection_samples: int) -> Trace:
    _, retain = forget_and_retain(problem)
    judged = Samples(retain.x[:selection_samples], retain.y[:selection_samples])
    model = original(problem)
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    seen: list[Tensor] = []
    handle = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    accuracy(model, retain)
    handle.remove()
    quiet = sorted(range(last.in_features), key=lambda channel: float(seen[0][:, channel].abs().mean()))
    before = accuracy(model, judged)
    cut: list[int] = []
    for channel in quiet[:-1]:
        column = last.weight[:, channel].detach().clone()
        last.weight.data[:, channel] = 0
        if accuracy(model, judged) < before - max_drop:
            last.weight.data[:, channel] = column
            break
        cut.append(channel)
    sgd, trace = SGD(model, problem), Trace()
    while len(trace.steps) < problem.budget.steps:
        for x, y in one_pass(retain, problem.budget.batch_size):
            if len(trace.steps) == problem.budget.steps:
                break
            last.weight.data[:, cut] = 0
            functional.cross_entropy(model(x), y).backward()
            sgd.step(learning_rate)
            trace.steps.append(state(model))
    last.weight.data[:, cut] = 0
    trace.final = state(model)
    return trace
