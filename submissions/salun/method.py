"""SalUn: Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency", ICLR 2024, arXiv
2310.12508, as in the authors' code for CIFAR-10 and SVHN.

(1) Saliency mask, in evaluation mode: G = |sum over batches of D_f of the gradient of the batch's mean cross-entropy|.
The mask selects the share `mask` of all weights with the largest G.
(2) Random labelling on the masked weights: each epoch makes a pass over D_f, with labels drawn uniformly from all
classes anew for each batch, then a pass over D_r with its own labels.

Gradients outside the mask are set to 0. After each step the weights outside it are restored and their momentum is
zeroed, so neither weight decay nor momentum moves them.

BatchNorm: training mode in both passes. Its scales and shifts are masked like all other weights; its running statistics
follow D_f and D_r. One optimizer, created once, at a constant rate (the authors run ten epochs, which end before their
milestones at epochs 91 and 136).

Chosen here: as many epochs as fit in the budget's steps; steps on D_f count too.
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
    """|sum over batches of the gradient of the mean cross-entropy| for all parameters, flattened to [P]."""
    parameters = list(model.parameters())
    total = torch.zeros(sum(parameter.numel() for parameter in parameters), device=parameters[0].device)
    model.eval()
    for batch in images.batches():
        loss = functional.cross_entropy(model(batch.images), batch.labels)
        total += torch.cat([gradient.float().flatten() for gradient in torch.autograd.grad(loss, parameters)])
    model.train()
    return total.abs()


def largest(values: Tensor, share: float) -> Tensor:
    """Mask bool [P] of the largest values; it selects the share `share` of them."""
    chosen = torch.zeros_like(values, dtype=torch.bool)
    chosen[values.topk(int(share * len(values))).indices] = True
    return chosen


@dataclass(frozen=True)
class SalUn(UnlearningMethod):
    """Train on random labels for D_f, updating only the weights most salient to D_f.

    Args:
        learning_rate: None takes the budget's.
        mask: share of the weights that are updated.
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
                    for moment in optimizer.state[weight].values():  # SGD has one buffer; Adam also has a step count
                        if isinstance(moment, Tensor) and moment.shape == weight.shape:
                            moment.mul_(mask)
        return model

    def batches(self, problem: Problem) -> Iterator[tuple[Batch, Tensor]]:
        """Batches with the labels to train on, epoch after epoch, without end."""
        while True:
            for batch in problem.forget.batches():
                random = torch.randint(problem.classes, (len(batch),), generator=problem.generator)
                yield batch, random.to(problem.device)
            yield from ((batch, batch.labels) for batch in problem.retain.batches())
