"""REM: Schoepf et al., "Redirection for Erasing Memory", arXiv 2505.17730 (ICLR 2026), as its released code runs it.

The model gets as many new channels as it has. A sample sees all old channels and a random 20% of the new ones, always
the same; all of D_f shares one such mask. *Dropping* a sample runs it through the old channels only. Each epoch

(a) flushes: NPO on the dropped D_f, pass by pass, until it is forgotten;
(b) makes one pass over D_tr on the mean over the batch of, for sample i,

    (2 / beta) log sigmoid(beta (l_i(masked) - l_i(reference)))             redirection: learn it, through its mask
  - (2 / beta) log sigmoid(beta (l_i(dropped) - l_i(reference)))            removal, for i in D_f only;

(c) keeps the dropped model as a snapshot if its Acc(D_r) (1 - max(Acc(D_f), gamma)) is the best so far, and better than
the original's. The best snapshot is returned, or the last model if there is none: the architecture of the original,
with no new channel.

The signs are those of the code, where print is ambiguous (`log` ratios are differences of cross-entropies). Masks stand
only after blocks: the channels between the two convolutions of a residual block are open to everybody. The reference
is the expanded original before the first flush, masks on, in evaluation mode, on the same augmented batch.

BatchNorm: training mode throughout, and no statistics are collected anew. In the pass over D_tr the whole batch goes
through the model twice, dropped and then masked, so the running statistics follow both. One optimizer, created once,
serves all flushes and passes; the rate is constant. A flush costs no step of the budget, a batch of D_tr one.

Chosen here: new channels are random (in the code the original is the wide model, trained with them off, so weight decay
has shrunk them by a quarter); masks of different layers are independent (there: prefixes of one sequence), and D_f has
one mask (there: one under the reference, another in the pass); accuracies are measured without augmentation, Acc(D_r)
on a random subset of at most `selection_samples`.
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
    """(2 / beta) log sigmoid(beta (l - l_ref)) of each sample, [B]."""
    return 2 / beta * functional.logsigmoid(beta * (losses - reference))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels, reduction="none")


class Dropped(nn.Module):
    """The expanded model with all new channels off: gradients and running statistics reach it."""

    def __init__(self, wide: Classifier, narrow: Classifier):
        super().__init__()
        self.narrow = narrow  # gives the shape and the mode; its own weights are used by `copied` only
        self.corner = narrow.corner_of(wide)  # views of the wide model's weights

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = functional_call(self.narrow, self.corner, (images,))
        return logits

    def copied(self) -> Classifier:
        """The dropped model of this moment, as a model of its own."""
        self.narrow.load_state_dict(self.corner)
        return deepcopy(self.narrow)


@dataclass(frozen=True)
class State:
    """What the steps of one run share.

    reference: the expanded original. owners: for each position in D_tr the sample whose channels it sees, int64 [N].
    found: the positions whose corruption is removed, bool [N].
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
    """Redirect corruption, found or not, into new channels that are then thrown away.

    Args:
        learning_rate: None for the budget's.
        share: probability that a sample sees a new channel; an original trained with tied dropout keeps its own.
        max_flush_passes: passes over D_f that one flush may take.
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
        owners = torch.where(found, len(problem.train), numbers)  # one owner for all that is found
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
        """What the first snapshot must be better than."""
        return problem.selection_score(problem.original(), sample)

    def known(self, problem: Problem) -> Tensor:
        """The positions that are removed, and that share one mask."""
        return problem.forget.ids

    def gates(self, run: State, ids: Tensor) -> list[Tensor]:
        """What these samples see of the expanded model: see `tied_gates`."""
        recipe = run.problem.recipe
        share = self.share if recipe.tied_dropout is None else recipe.tied_dropout
        return tied_gates(run.owners[ids], run.dropped.narrow.groups, run.wide.groups, share)

    def flush(self, run: State) -> None:
        """NPO on D_f through the dropped model until it is forgotten."""
        for _ in run.problem.until_forgotten(run.dropped, self.max_flush_passes):
            for batch in run.problem.forget.batches():
                before = self.before(run, batch)
                step(run.optimizer, self.removal(cross_entropy(run.dropped(batch.images), batch.labels), before).mean())

    def redirect(self, run: State, steps: int) -> None:
        """One pass over D_tr: redirection of every sample, removal of what is found."""
        for batch in run.problem.train.batches(steps):
            step(run.optimizer, self.loss(run, batch, self.before(run, batch), run.found[batch.ids]))

    def before(self, run: State, batch: Batch) -> Tensor:
        """The losses of the batch under the reference, masks on, [B]."""
        with torch.no_grad():
            return cross_entropy(run.reference(batch.images, self.gates(run, batch.ids)), batch.labels)

    def loss(self, run: State, batch: Batch, before: Tensor, found: Tensor) -> Tensor:
        """The mean over the batch of redirection, and of removal where `found` (bool [B])."""
        with torch.set_grad_enabled(bool(found.any())):  # without a found sample it only moves BatchNorm's statistics
            dropped = cross_entropy(run.dropped(batch.images), batch.labels)
        masked = cross_entropy(run.wide(batch.images, self.gates(run, batch.ids)), batch.labels)
        return (self.redirection(masked, before, found) + self.removal(dropped, before) * found).mean()

    def redirection(self, losses: Tensor, before: Tensor, found: Tensor) -> Tensor:
        """The term of each sample [B] that is learnt through its mask."""
        return log_ratio(losses, before, self.beta)

    def removal(self, losses: Tensor, before: Tensor) -> Tensor:
        """The term of each found sample [B], dropped."""
        return -log_ratio(losses, before, self.beta)


def step(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
