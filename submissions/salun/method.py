"""SalUn: Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency", ICLR 2024.

(1) G = |sum over D_f of the gradient of the cross-entropy|, evaluation mode; the mask is the share `mask` of all
weights with the largest G. (2) Random labels, on those weights only: each epoch a pass over D_f with labels drawn anew
from all classes, then a pass over D_r with its own labels.

Left open by the paper, chosen here: epochs are as many as the budget's steps over D_r allow, passes over D_f cost none
of them; the budget's constant rate; each pass has an optimizer of its own. Weights outside the mask are put back after
each step: weight decay and momentum would move them. BatchNorm: frozen on D_f, in training mode on D_r; its scales and
shifts are weights under the mask like all others, its running statistics follow D_r.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench.method import Classifier, ImageSet, Problem, UnlearningMethod, frozen_batchnorm


def saliency(model: Classifier, images: ImageSet) -> Tensor:
    """|sum of the gradients of all samples' cross-entropies|, [P], all parameters in their order."""
    parameters = list(model.parameters())
    total = torch.zeros(sum(parameter.numel() for parameter in parameters), device=parameters[0].device)
    model.eval()
    for batch in images.batches(shuffle=False, augment=False):
        loss = functional.cross_entropy(model(batch.images), batch.labels, reduction="sum")
        total += torch.cat([gradient.float().flatten() for gradient in torch.autograd.grad(loss, parameters)])
    model.train()
    return total.abs()


def largest(values: Tensor, share: float) -> Tensor:
    """Where the `share` of values that are largest are, bool [P]."""
    chosen = torch.zeros_like(values, dtype=torch.bool)
    chosen[values.topk(round(share * len(values))).indices] = True
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
        flat = largest(saliency(model, problem.forget), self.mask)
        sizes = [parameter.numel() for parameter in model.parameters()]
        masks = [part.view_as(p) for part, p in zip(flat.split(sizes), model.parameters(), strict=True)]
        steps_left = problem.budget.steps
        while steps_left > 0:
            with frozen_batchnorm(model):
                self.learn(problem, model, problem.forget, masks, None, random=True)
            steps = min(steps_left, -(-len(problem.retain) // problem.budget.batch_size))
            self.learn(problem, model, problem.retain, masks, steps, random=False)
            steps_left -= steps
        return model

    def learn(
        self,
        problem: Problem,
        model: Classifier,
        images: ImageSet,
        masks: list[Tensor],
        steps: int | None,
        random: bool,
    ) -> None:
        """One pass; with random labels or with those of D_tr."""
        optimizer = problem.optimizer(model, self.learning_rate)
        fixed = [parameter.detach().clone() for parameter in model.parameters()]
        for batch in images.batches(steps):
            labels = batch.labels
            if random:
                drawn = torch.randint(problem.classes, (len(batch),), generator=problem.generator)
                labels = drawn.to(problem.device)
            loss = functional.cross_entropy(model(batch.images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for parameter, old, mask in zip(model.parameters(), fixed, masks, strict=True):
                    parameter.copy_(torch.where(mask, parameter, old))
