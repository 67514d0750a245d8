"""Training an original, with or without tied dropout, and what ETD and the oracle make of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.submissions.proof import State, Trace, state
from tests.submissions.references.plain import SGD, everything, original
from unlearnbench import Classifier, Problem, tied_gates


def dropped(old: State, wide: State) -> State:
    """The first channels of the wide model, which all samples saw; weights and statistics as they are."""
    return {name: wide[name][tuple(slice(size) for size in tensor.shape)].clone() for name, tensor in old.items()}


def train(problem: Problem, model: Classifier, kept: Tensor, old: tuple[int, ...] = ()) -> Trace:
    """The recipe of the original on the samples at these positions; with `old`, each through its own mask."""
    x, y = everything(problem)
    recipe = problem.recipe
    sgd, trace = SGD(model.train(), problem), Trace()
    warmup = int(recipe.warmup * recipe.steps)
    while len(trace.steps) < recipe.steps:
        for positions in kept.split(recipe.batch_size):
            t = len(trace.steps)
            if t == recipe.steps:
                break
            gates = None
            if recipe.tied_dropout is not None:
                gates = tied_gates(positions, old, model.groups, recipe.tied_dropout)
            functional.cross_entropy(model(x[positions], gates), y[positions]).backward()
            factor = (t + 1) / (warmup + 1) if t < warmup else 1 - (1 - recipe.final) * (t - warmup) / recipe.steps
            sgd.step(recipe.peak_learning_rate * factor)
            trace.steps.append(state(model))
    trace.final = state(model)
    return trace


def trained(problem: Problem) -> Trace:
    """The original: after tied dropout the dropped model, and the wide one that it is a part of."""
    everybody = torch.arange(len(problem.train.labels))
    model = problem.new_model()
    if problem.recipe.tied_dropout is None:
        return train(problem, model, everybody)
    wide = model.expanded(problem.recipe.shared)
    trace = train(problem, wide, everybody, model.groups)
    parts = {"dropped": dropped(state(model), trace.final), "expanded": trace.final}
    trace.final = {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
    return trace


def oracle(problem: Problem) -> Trace:
    """Fresh weights, trained on all samples that are not corrupted, found or not."""
    clean = torch.ones(len(problem.train.labels), dtype=torch.bool)
    assert problem.corrupted_positions is not None
    clean[problem.corrupted_positions] = False
    return train(problem, problem.new_model(), clean.nonzero()[:, 0])


def reference(problem: Problem, recalibrate: bool = False) -> Trace:
    """ETD: the dropped original as it is, with no rescaling and the statistics of the training.

    `recalibrate` is the project's own: BatchNorm's statistics are the means of those of all batches of D_tr.
    """
    result = Trace([], {name: tensor.clone() for name, tensor in problem.original_weights.items()})
    if not recalibrate:
        return result
    batches = everything(problem).x.split(problem.budget.batch_size)
    model = original(problem)
    means: dict[str, list[Tensor]] = {}
    variances: dict[str, list[Tensor]] = {}

    def look(name: str, inputs: tuple[Tensor]) -> None:
        values = inputs[0].transpose(0, 1).flatten(1).double()  # [channels, samples and places]
        means.setdefault(name, []).append(values.mean(1))
        variances.setdefault(name, []).append(values.var(1, unbiased=True))

    for name, layer in model.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_pre_hook(lambda _, inputs, name=name: look(name, inputs))
    with torch.no_grad():
        for images in batches:
            model(images)
    for name in means:
        result.final[f"{name}.running_mean"] = torch.stack(means[name]).mean(0).float()
        result.final[f"{name}.running_var"] = torch.stack(variances[name]).mean(0).float()
        result.final[f"{name}.num_batches_tracked"] = torch.tensor(len(batches))
    return result
