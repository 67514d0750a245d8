"""REM: Schoepf et al., "Redirection for Erasing Memory", arXiv 2505.17730 (ICLR 2026), as in the released code.

The original is expanded by as many new channels as it has. A sample sees all old channels and a fixed random 20% of the
new ones (its mask); all samples of D_f share one mask. *Dropping* a sample runs it through the old channels only. Each
epoch has three parts:

(a) Flush: NPO on D_f, dropped, pass after pass until D_f is forgotten.
(b) One pass over D_tr that minimises the batch mean of, for sample i,

    (2 / beta) log sigmoid(beta (l_i(masked) - l_i(reference)))             redirection: learn i through its mask
  - (2 / beta) log sigmoid(beta (l_i(dropped) - l_i(reference)))            removal, for i in D_f only

(c) Snapshot: the dropped model is kept if its Acc(D_r) (1 - max(Acc(D_f), gamma)) is the best so far and better than
the original's.

The method returns the best snapshot, or the last dropped model if there is none. Both have the original's architecture,
without the new channels.

The signs follow the code where the paper is ambiguous: the `log` ratios are differences of cross-entropies. Masks apply
only after blocks, so every sample sees all channels between the two convolutions of a residual block. The reference is
the expanded original before the first flush, in evaluation mode, with masks on, on the same augmented batch.

BatchNorm: training mode throughout; the running statistics are not recalibrated. In the pass over D_tr the whole batch
goes through the model twice, first dropped and then masked, and the running statistics follow both. One optimizer,
created once, serves all flushes and passes. The rate is constant. Flushes do not count towards the budget; each batch
of D_tr is one step.

Chosen here:
- New channels are initialised at random. In the code they are channels of a wide model that was trained with them off,
  so weight decay has shrunk them by a quarter.
- Masks of different layers are independent; in the code they are prefixes of one sequence.
- D_f has one mask; in the code it has one under the reference and another in the pass.
- Accuracies are measured without augmentation, Acc(D_r) on a random subset of at most `selection_samples`.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.optim import Optimizer

from unlearnbench import Batch, Classifier, ImageSet, Problem, UnlearningMethod, tied_gates


def log_ratio(losses: Tensor, reference: Tensor, beta: float) -> Tensor:
    """(2 / beta) log sigmoid(beta (l - l_ref)) for each sample, [B]."""
    return 2 / beta * functional.logsigmoid(beta * (losses - reference))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels, reduction="none")


class Dropped(nn.Module):
    """The expanded model with all new channels off; gradients and running statistics reach the expanded model."""

    def __init__(self, wide: Classifier, narrow: Classifier):
        super().__init__()
        self.narrow = narrow  # gives the architecture and the mode; only `copied` uses its own weights
        self.corner = narrow.corner_of(wide)  # views of the wide model's weights

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = functional_call(self.narrow, self.corner, (images,))
        return logits

    def copied(self) -> Classifier:
        """A copy of the dropped model with its current weights."""
        self.narrow.load_state_dict(self.corner)
        return deepcopy(self.narrow)


@dataclass(frozen=True)
class State:
    """The state that the steps of one run share.

    reference: the expanded original, frozen.
    owners: int64 [N], for each position in D_tr the number that seeds its mask; D_f shares one number.
    found: bool [N], the positions in D_tr that the removal term applies to.
    """

    problem: Problem
    wide: Classifier
    dropped: Dropped
    reference: Classifier
    owners: Tensor
    found: Tensor
    optimizer: Optimizer


@dataclass(frozen=True)
class REM(UnlearningMethod):
    """Redirect corruption, discovered or not, into new channels that are then dropped.

    Args:
        learning_rate: None takes the budget's.
        share: probability that a sample sees a new channel; an original trained with tied dropout keeps its masks.
        max_flush_passes: most passes over D_f in one flush.
    """

    learning_rate: float | None = None
    beta: float = 1.0
    share: float = 0.2
    max_flush_passes: int = 100
    selection_samples: int = 5000

    def unlearn(self, problem: Problem) -> nn.Module:
        wide = problem.expanded_original()
        found = torch.zeros(len(problem.train), dtype=torch.bool, device=problem.device)
        found[self.known(problem)] = True
        numbers = torch.arange(len(problem.train), device=problem.device)
        owners = torch.where(found, len(problem.train), numbers)  # D_f shares one owner, so one mask
        optimizer = problem.optimizer(wide, self.learning_rate)
        run = State(problem, wide, Dropped(wide, problem.original()), deepcopy(wide).eval(), owners, found, optimizer)
        sample = problem.retain.sample(self.selection_samples)
        best, best_score = None, self.score_to_beat(problem, sample)
        for first_step in range(0, problem.budget.steps, problem.train.steps_per_pass):
            self.flush(run)
            self.redirect(run, min(problem.train.steps_per_pass, problem.budget.steps - first_step))
            dropped = run.dropped.copied()
            score = problem.selection_score(dropped, sample)
            if score > best_score:
                best, best_score = dropped, score
        return run.dropped.copied() if best is None else best

    def score_to_beat(self, problem: Problem, sample: ImageSet) -> float:
        """The score that the first snapshot must exceed."""
        return problem.selection_score(problem.original(), sample)

    def known(self, problem: Problem) -> Tensor:
        """Positions in D_tr that the removal term applies to; they share one mask."""
        return problem.forget.ids

    def gates(self, run: State, ids: Tensor) -> list[Tensor]:
        """The masks of these samples in the expanded model, as `tied_gates` returns them."""
        recipe = run.problem.recipe
        share = self.share if recipe.tied_dropout is None else recipe.tied_dropout
        return tied_gates(run.owners[ids], run.dropped.narrow.groups, run.wide.groups, share)

    def flush(self, run: State) -> None:
        """NPO on D_f through the dropped model until D_f is forgotten."""
        for _ in run.problem.until_forgotten(run.dropped, self.max_flush_passes):
            for batch in run.problem.forget.batches():
                before = self.before(run, batch)
                step(run.optimizer, self.removal(cross_entropy(run.dropped(batch.images), batch.labels), before).mean())

    def redirect(self, run: State, steps: int) -> None:
        """One pass over D_tr: redirection for every sample, removal for the found ones."""
        for batch in run.problem.train.batches(steps):
            step(run.optimizer, self.loss(run, batch, self.before(run, batch), run.found[batch.ids]))

    def before(self, run: State, batch: Batch) -> Tensor:
        """Losses of the batch under the reference with masks on, [B]."""
        with torch.no_grad():
            return cross_entropy(run.reference(batch.images, self.gates(run, batch.ids)), batch.labels)

    def loss(self, run: State, batch: Batch, before: Tensor, found: Tensor) -> Tensor:
        """Batch mean of the redirection term plus, where `found` (bool [B]), the removal term."""
        with torch.set_grad_enabled(bool(found.any())):  # without a found sample it only updates BatchNorm
            dropped = cross_entropy(run.dropped(batch.images), batch.labels)
        masked = cross_entropy(run.wide(batch.images, self.gates(run, batch.ids)), batch.labels)
        return (self.redirection(masked, before, found) + self.removal(dropped, before) * found).mean()

    def redirection(self, losses: Tensor, before: Tensor, found: Tensor) -> Tensor:
        """Redirection term of each sample, [B], from its loss through its mask."""
        return log_ratio(losses, before, self.beta)

    def removal(self, losses: Tensor, before: Tensor) -> Tensor:
        """Removal term of each sample, [B], from its loss when dropped."""
        return -log_ratio(losses, before, self.beta)


def step(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
