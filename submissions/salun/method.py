"""SalUn: Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency", ICLR 2024, arXiv
2310.12508, as the authors' code runs it on CIFAR-10 and SVHN.

(1) G = |sum over batches of D_f of the gradient of the batch's mean cross-entropy|, evaluation mode; the mask is the
share `mask` of all weights with the largest G. (2) Random labels, on those weights only: each epoch a pass over D_f
with labels drawn anew from all classes for each batch, then a pass over D_r with its own labels.

Gradients outside of the mask are set to 0; after each step the weights there are put back and their momentum is erased,
so neither weight decay nor momentum moves them.

BatchNorm: training mode in both passes; its scales and shifts are weights under the mask like all others, its running
statistics follow D_f and D_r. One optimizer, created once; a constant rate (the authors' milestones, epochs 91 and 136,
lie behind their ten epochs).

Chosen here: epochs are as many as the budget's steps allow, those over D_f included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import Batch, Classifier, ImageSet, Problem, UnlearningMethod


def saliency(model: Classifier, images: ImageSet) -> Tensor:
    """|sum over batches of the gradient of the mean cross-entropy|, [P], all parameters in their order."""
    parameters = list(model.parameters())
    total = torch.zeros(sum(parameter.numel() for parameter in parameters), device=parameters[0].device)
    model.eval()
    for batch in images.batches():
        loss = functional.cross_entropy(model(batch.images), batch.labels)
        total += torch.cat([gradient.float().flatten() for gradient in torch.autograd.grad(loss, parameters)])
    model.train()
    return total.abs()


def largest(values: Tensor, share: float) -> Tensor:
    """Where the `share` of values that are largest are, bool [P]."""
    chosen = torch.zeros_like(values, dtype=torch.bool)
    chosen[values.topk(int(share * len(values))).indices] = True
    return chosen


@dataclass(frozen=True)
class SalUn(UnlearningMethod):
    """Random labels for D_f, on the weights that matter most to it.

    Args:
        learning_rate: None for the budget's.
        mask: share of the weights that may move.
    """

    learning_rate: float | None = None
    mask: float = 0.5

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        weights = list(model.parameters())
        flat = largest(saliency(model, problem.forget), self.mask)
        masks = [
            part.view_as(weight) for part, weight in zip(flat.split([w.numel() for w in weights]), weights, strict=True)
        ]
        kept = [weight.detach().clone() for weight in weights]
        optimizer = problem.optimizer(model, self.learning_rate)
        for batch, labels in islice(self.batches(problem), problem.budget.steps):
            loss = functional.cross_entropy(model(batch.images), labels)
            optimizer.zero_grad()
            loss.backward()
            for weight, mask in zip(weights, masks, strict=True):
                assert weight.grad is not None, "every weight is used"
                weight.grad.mul_(mask)
            optimizer.step()
            with torch.no_grad():
                for weight, old, mask in zip(weights, kept, masks, strict=True):
                    weight.copy_(torch.where(mask, weight, old))
                    for moment in optimizer.state[weight].values():  # SGD's one; Adam also counts its steps
                        if isinstance(moment, Tensor) and moment.shape == weight.shape:
                            moment.mul_(mask)
        return model

    def batches(self, problem: Problem) -> Iterator[tuple[Batch, Tensor]]:
        """The batches of one epoch after the other, with the labels that they are learnt with."""
        while True:
            for batch in problem.forget.batches():
                random = torch.randint(problem.classes, (len(batch),), generator=problem.generator)
                yield batch, random.to(problem.device)
            yield from ((batch, batch.labels) for batch in problem.retain.batches())
