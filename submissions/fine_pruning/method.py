"""Fine-Pruning: Liu et al., RAID 2018, arXiv 1805.12185; facts from their code, kangliucn/Fine-pruning-defense.

What only a trigger excites is quiet on clean data. The channels of the last convolution, after pooling, are pruned in
the order of their mean activation on D_r, the quietest first, as long as the accuracy does not fall by more than
`max_drop`. Then the pruned model is fine-tuned on D_r. D_f is not used but for being left out.

BatchNorm: evaluation mode while pruning, training mode on D_r in the fine-tuning (the authors' networks have none). One
optimizer, for the fine-tuning, at a constant rate, as in the solvers that they released.

Chosen here: what enters the last layer is what is pruned, in any architecture: the channels of the last convolution of
a ResNet-9 after its pooling, the class token of a transformer. A channel is cut by zeros in its column of the last
layer, set again after every step; as nothing else reads it, the model is the one without it. The order is by absolute
activation, the same where, as there, none is negative. The accuracy is that on a random part of D_r, of at most
`selection_samples`, with the labels it carries (the paper's: on clean validation data; the code prunes fixed numbers).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import Problem, Share, UnlearningMethod


@torch.no_grad()
def pruned(features: Tensor, labels: Tensor, head: nn.Linear, order: Tensor, max_drop: float) -> Tensor:
    """The first channels of this order [D] that can go, as measured on features [N, D]; at least one stays."""

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
    """Cut what is quiet on D_r, then spend the budget on D_r.

    Args:
        learning_rate: None for the budget's.
        max_drop: the accuracy that pruning may cost.
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
