"""Fine-Pruning: Liu et al., RAID 2018, arXiv 1805.12185. Details are from their code, kangliucn/Fine-pruning-defense.

Channels that only a trigger activates are dormant on clean data. The method prunes channels of the last convolution,
after pooling, in increasing order of their mean activation on D_r, as long as the accuracy falls by no more than
`max_drop`. It then fine-tunes the pruned model on D_r. D_f is only excluded.

BatchNorm: evaluation mode while pruning, training mode on D_r while fine-tuning (the authors' networks have no
BatchNorm). One optimizer, for fine-tuning, at a constant rate, as in the authors' released solvers.

Chosen here: the pruned channels are the inputs of the last layer in any architecture. These are the channels of the
last convolution after pooling in a ResNet-9, and the class token in a transformer. A channel is pruned by zeroing its
column of the last layer after every step; nothing else reads it, so this equals removing it. Channels are ordered by
absolute activation, which gives the authors' order where activations are non-negative, as theirs are. Accuracy is
measured on a random subset of D_r, at most `selection_samples`, with the labels it carries (the paper uses clean
validation data; the code prunes fixed numbers of channels).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import Problem, Share, UnlearningMethod


@torch.no_grad()
def pruned(features: Tensor, labels: Tensor, head: nn.Linear, order: Tensor, max_drop: float) -> Tensor:
    """The longest prefix of `order` [D] that can be pruned, measured on features [N, D]; at least one channel stays."""

    def accuracy(kept: Tensor) -> float:
        return float((head(features * kept).argmax(dim=1) == labels).double().mean())

    kept = torch.ones_like(features[0])
    lowest = accuracy(kept) - max_drop
    for number, channel in enumerate(order[:-1]):
        kept[channel] = 0
        if accuracy(kept) < lowest:
            return order[:number]
    return order[:-1]


@dataclass(frozen=True)
class FinePruning(UnlearningMethod):
    """Prune the channels that are dormant on D_r, then fine-tune on D_r.

    Args:
        learning_rate: None takes the budget's.
        max_drop: how far pruning may lower the accuracy.
    """

    learning_rate: float | None = None
    max_drop: Share = 0.04
    selection_samples: int = 5000

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        order = problem.outputs(model, problem.retain)[0].abs().mean(dim=0).argsort()  # [D]
        sample = problem.retain.sample(self.selection_samples)
        cut = pruned(problem.outputs(model, sample)[0], sample.labels, model.head, order, self.max_drop)
        optimizer = problem.optimizer(model, self.learning_rate)
        with torch.no_grad():
            model.head.weight[:, cut] = 0
        for batch in problem.retain.batches(problem.budget.steps):
            loss = functional.cross_entropy(model(batch.images), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                model.head.weight[:, cut] = 0
        return model
