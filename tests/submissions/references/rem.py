"""REM and its ablations as the released code runs them, under its names for them.

The wide model is run with gates: dropped is with zeros on all new channels, masked is with those that a sample sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from tests.submissions.proof import State, Trace, state
from tests.submissions.references.plain import SGD, Samples, everything, is_found
from unlearnbench import Problem, tied_gates

Name = Literal["REM", "NPOREMMOD", "NPORT", "REMGEN", "REMIDEAL", "REMMOD"]
STARTS_FROM_ZERO = ("NPORT", "REMGEN", "REMIDEAL")
"""Their first snapshot need not beat the original."""


def corner(narrow: State, wide: State) -> State:
    """The old channels, which are the first ones, and all that lies between two old channels."""
    return {name: wide[name][tuple(slice(size) for size in old.shape)].clone() for name, old in narrow.items()}


def cross_entropies(logits: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(logits, y, reduction="none")


def ratio(losses: Tensor, before: Tensor, beta: float) -> Tensor:
    return 2 / beta * functional.logsigmoid(beta * (losses - before))


def of_a_sample(name: Name, known: bool, dropped: Tensor, second: Tensor, before: Tensor, beta: float) -> Tensor:
    """What one sample adds to the loss of a pass over D_tr, from its cross-entropies."""
    if name == "REMMOD":
        return second
    if name == "NPOREMMOD":
        return ratio(second, before, beta)
    if name == "NPORT":
        return -ratio(dropped, before, beta) if known else second
    if name == "REMGEN":
        return -ratio(dropped, before, beta) if known else ratio(second, before, beta)
    if known:
        return ratio(second, before, beta) - ratio(dropped, before, beta)
    return ratio(second, before, beta)


class Gates:
    """Of a batch: every sample has its own channels, and all known corrupted ones share some more."""

    def __init__(self, old: Sequence[int], wide: Sequence[int], known: Tensor, share: float, common: float):
        self.old, self.wide, self.known, self.share, self.common = old, wide, known, share, common

    def masked(self, positions: Tensor) -> list[Tensor]:
        n = len(self.known)
        owners = torch.tensor([n if self.known[i] else int(i) for i in positions])
        result = tied_gates(owners, self.old, self.wide, self.share)
        if self.common:  # the project's own variant: some new channels are open to everybody
            everybody = tied_gates(torch.full_like(owners, n + 1), self.old, self.wide, self.common)
            result = [((own + all_) > 0).float() for own, all_ in zip(result, everybody, strict=True)]
        return result

    def dropped(self, count: int) -> list[Tensor]:
        result = [torch.zeros(count, channels) for channels in self.wide]
        for gate, old in zip(result, self.old, strict=True):
            gate[:, :old] = 1
        return result


def reference(
    problem: Problem,
    name: Name = "REM",
    *,
    learning_rate: float,
    beta: float = 1.0,
    share: float = 0.2,
    max_flush_passes: int = 100,
    selection_samples: int = 5000,
    shared: float = 0.0,
) -> Trace:
    x, y = everything(problem)
    n = len(y)
    found = is_found(problem)
    known = found.clone()
    if name == "REMIDEAL":
        assert problem.corrupted_positions is not None
        known[problem.corrupted_positions] = True
    if problem.recipe.tied_dropout is not None:
        share = problem.recipe.tied_dropout
    size, gamma, budget = problem.budget.batch_size, problem.budget.stop_accuracy, problem.budget.steps

    model = problem.expanded_original().train()
    old = problem.original_weights
    gates = Gates(problem.new_model().groups, model.groups, known, share, shared)
    before = deepcopy(model).eval()
    sgd, trace = SGD(model, problem), Trace()

    @torch.no_grad()
    def accuracy(samples: Samples) -> float:
        model.eval()
        right = int((model(samples.x, gates.dropped(len(samples.y))).argmax(1) == samples.y).sum())
        model.train()
        return right / len(samples.y)

    forget = Samples(x[found], y[found])
    judged = Samples(x[~found][:selection_samples], y[~found][:selection_samples])

    def proxy() -> float:
        return accuracy(judged) * (1 - max(accuracy(forget), gamma))

    @torch.no_grad()
    def losses_before(positions: Tensor) -> Tensor:
        seen = gates.dropped(len(positions)) if name == "REMGEN" else gates.masked(positions)
        return cross_entropies(before(x[positions], seen), y[positions])

    def step(loss: Tensor) -> None:
        loss.backward()
        sgd.step(learning_rate)
        trace.steps.append(state(model))

    def flush() -> None:
        passes = 0
        while passes < max_flush_passes and accuracy(forget) > gamma:
            for batch in found.nonzero()[:, 0].split(size):
                losses = cross_entropies(model(x[batch], gates.dropped(len(batch))), y[batch])
                if name == "REMMOD":
                    step(-losses.mean())
                else:
                    step(-ratio(losses, losses_before(batch), beta).mean())
            passes += 1

    def one_pass(steps: int) -> None:
        for batch in torch.arange(n).split(size)[:steps]:
            images, labels = x[batch], y[batch]
            off = gates.dropped(len(batch))
            if name == "REMMOD":
                dropped = old_losses = torch.zeros(len(batch))
            else:
                dropped = cross_entropies(model(images, off), labels)
                old_losses = losses_before(batch)
            seen = off if name == "REMGEN" else gates.masked(batch)
            second = cross_entropies(model(images, seen), labels)
            total = torch.zeros(())
            for i, position in enumerate(batch.tolist()):
                total = total + of_a_sample(name, bool(known[position]), dropped[i], second[i], old_losses[i], beta)
            step(total / len(batch))

    best = 0.0 if name in STARTS_FROM_ZERO else proxy()
    snapshot: State | None = None
    used = 0
    while used < budget:
        flush()
        steps = min(budget - used, -(-n // size))
        one_pass(steps)
        used += steps
        score = proxy()
        if score > best:
            best, snapshot = score, corner(old, state(model))
    trace.final = corner(old, state(model)) if snapshot is None else snapshot
    return trace
