"""New method: say in one sentence what it does, and cite its paper.

As it stands, the method fine-tunes the original on D_r, the training set without the known corrupted samples.
Change it step by step, and run `unlearnbench validate` on the folder after each step.

The interface of `Problem` (N samples, C colour channels, S x S pixels):

    problem.train       D_tr, the training set of the original; some of it is corrupted
    problem.forget      D_f, the discovered corrupted samples of D_tr
    problem.retain      D_r, the rest of D_tr; it still contains the undiscovered corruption
        .images         uint8 [N, C, S, S]
        .labels         int64 [N], as trained on; true labels are not available
        .ids            int64 [N], positions in D_tr
        .batches(steps, batch_size, shuffle=, augment=)
                        batches of one pass, or exactly `steps` batches; each has
                        .images float32 [B, C, S, S] (augmented, normalised), .labels int64 [B], .ids int64 [B]
        .steps_per_pass     number of batches in one pass
        .take(positions)    subset at these positions (int64 [n]) or where a mask is true (bool [N])
        .sample(count)      random subset of at most `count` samples
        .split(share)       two sets: the rest, and a held-out random share, for code that wants a test set
        .loader(batch_size, shuffle=, augment=, fields=("image", "label"), num_workers=)
                        a torch DataLoader with the same augmentation, for code that was written for one; fields also
                        "position" (in D_tr) and "found" (1 in D_f). Use no other augmentation: this one keeps a
                        trigger in its corner, where a random crop and a flip leave it in 1 of 162 draws

    problem.original()                  a fresh copy of the original, the model to repair, in training mode; return it
                                        repaired, or its state_dict, or a wrapper that holds it
    problem.expanded_original()         the original with new channels, to be dropped before it is returned
    problem.untrained()                 the same architecture with random weights
    problem.train_from_scratch(images)  a model trained from scratch on a set with the original's recipe
    problem.optimizer(model, learning_rate)   a fresh optimizer of the original's kind, at the budget's rate by default
    problem.rate(learning_rate)         the given rate, or the budget's for None
    problem.accuracy(model, images)     accuracy on a set with the labels it carries, without augmentation
    problem.outputs(model, images)      features [N, D] and logits [N, classes] of a set, without augmentation
    problem.selection_score(model, samples=)  score for selecting a snapshot without clean data
    problem.until_forgotten(model, max_passes, min_passes=)   iterates over passes until D_f is forgotten
    problem.classes, .device, .generator (seeded, on the CPU)
    problem.budget      .steps, .batch_size, .learning_rate, .stop_accuracy, .augment (default of batches and loader)
        .epochs(n)      number of passes over n images that the steps allow
    problem.recipe      how the original was trained

`unlearnbench` also exports, among others:

    set_rate(optimizer, learning_rate)    changes the rate of an optimizer
    warmup_then_decay(step, steps)        rate at a step as a share of the peak, by default Goel et al.'s schedule
    tied_gates(ids, groups, wide, share)  gates that give each sample its own subset of the new channels

A model maps images float32 [B, C, S, S] to logits float32 [B, classes]. Every architecture has

    model.fc, model.head        the last linear layer; assign a new nn.Linear of the same form to replace it
    model.features(images)      its inputs [B, D], with gradients
    model.blocks                the blocks of layers before it, in order

In training mode, BatchNorm layers update their
running statistics on every batch; inside `unlearnbench.frozen_batchnorm(model)` they use them and leave them unchanged.
State here what BatchNorm sees in each update. For a published method this must match its authors' code.
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
