"""REM: Schoepf et al., "Redirection for Erasing Memory", arXiv 2505.17730 (ICLR 2026), written from its description.

The model is expanded by as many channels as it has. A sample sees all old channels and a random 20% of the new ones,
always the same; all of D_f shares one such mask. *Dropping* a sample runs it through the old channels only. Each
epoch (a) flushes: NPO on the dropped D_f until it is forgotten; (b) makes one pass over D_tr with, for sample i,

    (2 / beta) log sigmoid(beta (l_i(masked) - l_i(reference)))             redirection: learn it, through its mask
  - (2 / beta) log sigmoid(beta (l_i(dropped) - l_i(reference)))            removal, for i in D_f only;

(c) keeps the dropped model as a snapshot if its Acc(D_r) (1 - max(Acc(D_f), gamma)) is the best so far. What is
returned is the dropped model: the architecture of the original, with no new channel.

Left open or unclear in print, chosen here: every new channel is masked, also those inside a residual block; the signs
(above; `log` ratios are differences of cross-entropies); the reference is the expanded original before the first
flush, masks on, in evaluation mode, on the same augmented batch; optimizers are fresh for each flush and each pass; a
step of the budget is one batch of D_tr, a flush costs none; weights that are not finite end the method; Acc(D_r) is
measured on a random subset of at most `selection_samples`.

BatchNorm: frozen whenever samples are dropped, in training mode in the masked pass. That pass leaves statistics of
masked activations, which do not fit the dropped model: after each pass those of the old channels are collected anew
from dropped samples of the same subset of D_r. Measured (docs/digits-budget.md): without this utility falls to 74-78%
on random labels; frozen throughout, the model never recovers from the flush on swapped classes.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from unlearnbench.method import (
    Batch,
    Classifier,
    ImageSet,
    Problem,
    UnlearningMethod,
    frozen_batchnorm,
    is_finite,
    tied_gates,
)


def log_ratio(losses: Tensor, reference: Tensor, beta: float) -> Tensor:
    """(2 / beta) log sigmoid(beta (l - l_ref)) of each sample, [B]."""
    return 2 / beta * functional.logsigmoid(beta * (losses - reference))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels, reduction="none")


@dataclass(frozen=True)
class Expanded:
    """An expanded model and the small model that is its corner.

    narrow: gives the shape; its own weights are used by nothing but `dropped_copy`.
    """

    wide: Classifier
    narrow: Classifier

    def drop(self, images: Tensor) -> Tensor:
        """Logits with all new channels off, BatchNorm frozen; gradients reach the wide model."""
        with frozen_batchnorm(self.narrow):
            logits: Tensor = functional_call(self.narrow, self.narrow.corner_of(self.wide), (images,))
        return logits

    def dropped_copy(self) -> Classifier:
        """The small model with the corner's present weights (the same object each time)."""
        self.narrow.load_state_dict(self.narrow.corner_of(self.wide))
        return self.narrow

    def recalibrate(self, images: ImageSet) -> None:
        """Collect the old channels' BatchNorm statistics anew: averages over these images, dropped."""
        update_bn((batch.images for batch in images.batches()), self.dropped_copy())
        corner = self.narrow.corner_of(self.wide)
        for name, buffer in self.narrow.named_buffers():
            corner[name].copy_(buffer)


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
        narrow = problem.original()
        model = Expanded(problem.expanded_original(), narrow)
        reference = deepcopy(model.wide).eval()
        known = self.known(problem)
        owners = self.owners(problem, known)
        chosen = torch.randperm(len(problem.retain), generator=problem.generator)[: self.selection_samples]
        sample = problem.retain.take(chosen.to(problem.device))
        best, best_score = problem.original(), 0.0
        steps_left, per_pass = problem.budget.steps, -(-len(problem.train) // problem.budget.batch_size)
        while steps_left > 0:
            self.flush(problem, model, known, owners, reference)
            self.redirect(problem, model, owners, reference, min(per_pass, steps_left))
            steps_left -= per_pass
            model.recalibrate(sample)
            dropped = model.dropped_copy()
            if not is_finite(dropped) or not is_finite(model.wide):
                break
            remembered = max(problem.accuracy(dropped, known), problem.budget.stop_accuracy)
            score = problem.accuracy(dropped, sample) * (1 - remembered)
            if score > best_score:
                best, best_score = deepcopy(dropped), score
        return best

    def known(self, problem: Problem) -> ImageSet:
        """The samples that are removed."""
        return problem.forget

    def owners(self, problem: Problem, known: ImageSet) -> Tensor:
        """For each position in D_tr the sample whose channels it sees: its own, or one for all of D_f.

        int64 [N]; that one does not exist, its number is N.
        """
        owners = torch.arange(len(problem.train), device=problem.device)
        owners[known.ids] = len(problem.train)
        return owners

    def gates(self, problem: Problem, model: Expanded, owners: Tensor) -> list[Tensor]:
        """What samples see of the expanded model, owners int64 [B]: see `tied_gates`."""
        return tied_gates(owners, model.narrow.groups, problem.recipe.tied_dropout or self.share)

    def flush(self, problem: Problem, model: Expanded, known: ImageSet, owners: Tensor, reference: Classifier) -> None:
        """NPO on D_f through drop until it is forgotten."""
        optimizer = problem.optimizer(model.wide, self.learning_rate)
        for _ in range(self.max_flush_passes):
            if problem.accuracy(model.dropped_copy(), known) <= problem.budget.stop_accuracy:
                return
            for batch in known.batches():
                with torch.no_grad():
                    gates = self.gates(problem, model, owners[batch.ids])
                    before = cross_entropy(reference(batch.images, gates), batch.labels)
                loss = self.removal(cross_entropy(model.drop(batch.images), batch.labels), before).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    def redirect(self, problem: Problem, model: Expanded, owners: Tensor, reference: Classifier, steps: int) -> None:
        """One pass over D_tr: redirection of every sample, removal of D_f."""
        optimizer = problem.optimizer(model.wide, self.learning_rate)
        for batch in problem.train.batches(steps):
            owner = owners[batch.ids]
            gates = self.gates(problem, model, owner)
            loss = self.loss(model, gates, reference, batch, owner == len(problem.train))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def loss(self, model: Expanded, gates: list[Tensor], reference: Classifier, batch: Batch, found: Tensor) -> Tensor:
        """The mean over the batch of redirection, and of removal where `found` (bool [B])."""
        with torch.no_grad():
            before = cross_entropy(reference(batch.images, gates), batch.labels)
        masked = cross_entropy(model.wide(batch.images, gates), batch.labels)
        loss = self.redirection(masked, before).sum()
        if found.any():
            dropped = cross_entropy(model.drop(batch.images[found]), batch.labels[found])
            loss = loss + self.removal(dropped, before[found]).sum()
        return loss / len(batch)

    def redirection(self, losses: Tensor, before: Tensor) -> Tensor:
        """The term of each sample [B] that is learnt through its mask."""
        return log_ratio(losses, before, self.beta)

    def removal(self, losses: Tensor, before: Tensor) -> Tensor:
        """The term of each found sample [B], dropped."""
        return -log_ratio(losses, before, self.beta)
