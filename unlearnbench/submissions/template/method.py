"""New method: say in one sentence what it does, and cite the paper that it follows.

As it stands this is plain fine-tuning: training goes on, without the samples that are known to be corrupted.
Change it step by step, and run `unlearnbench validate` on the folder after each step.

What a problem offers (N samples, C colour channels, S x S pixels):

    problem.train       D_tr, everything that the original was trained on; some labels are wrong
    problem.forget      D_f, the samples of D_tr that were found to be corrupted
    problem.retain      D_r, the rest of D_tr; it still holds the corruption that nobody found
        .images         uint8 [N, C, S, S]
        .labels         int64 [N], as trained on; the true labels are never given
        .ids            int64 [N], positions in D_tr
        .batches(steps, batch_size, shuffle=, augment=)
                        batches of one pass, or exactly `steps` of them; in each
                        .images float32 [B, C, S, S] (augmented, normalised), .labels int64 [B], .ids int64 [B]
        .steps_per_pass     how many batches one pass makes
        .take(positions)    the part at these positions (int64 [n]) or where a mask is true (bool [N])
        .sample(count)      at most `count` samples of it, drawn at random

    problem.original()                  a fresh copy of the model to repair, in training mode
    problem.expanded_original()         the original with new channels, for what is to be thrown away
    problem.untrained()                 the same architecture with random weights
    problem.train_from_scratch(images)  a model trained on a set by the original's own recipe
    problem.optimizer(model, learning_rate)   the optimizer that trained the original, at the budget's rate by default
    problem.rate(learning_rate)         this rate, or the budget's for None
    problem.accuracy(model, images)     share of a set that gets the label it carries, without augmentation
    problem.outputs(model, images)      features [N, D] and logits [N, classes] of a set, without augmentation
    problem.selection_score(model, samples=)  chooses between snapshots without clean data
    problem.until_forgotten(model, max_passes, min_passes=)   counts passes over D_f, until it is forgotten
    problem.classes, .device, .generator (seeded, on the CPU)
    problem.budget      .steps, .batch_size, .learning_rate, .stop_accuracy
    problem.recipe      how the original was trained

Beside `Problem`, `unlearnbench` has, among others:

    set_rate(optimizer, learning_rate)    lets an optimizer go on at another rate
    warmup_then_decay(step, steps)        the rate of a step as a share of its peak, as originals are trained
    tied_gates(ids, groups, wide, share)  gates that show each sample its own part of the new channels

A model maps images float32 [B, C, S, S] to logits float32 [B, classes]. BatchNorm layers of a model in training mode
follow the batches that they see; inside `unlearnbench.frozen_batchnorm(model)` they stay as they are. Say here
what they see in each update: under the name of a published method, what they see in its authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class NewMethod(UnlearningMethod):
    """Fine-tune the original on the retain set.

    Args:
        rate: learning rate, as a multiple of the budget's.
    """

    rate: float = 1.0

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        optimizer = problem.optimizer(model, self.rate * problem.budget.learning_rate)
        for batch in problem.retain.batches(problem.budget.steps):
            logits = model(batch.images)  # [B, classes]
            loss = functional.cross_entropy(logits, batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model
