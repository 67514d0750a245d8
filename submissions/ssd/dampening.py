"""Importances and dampening of parameters, shared by SSD, ASSD, LFSSD and Potion.

As in the authors' code, the importance of a parameter is the mean over batches of a function of the batch's gradient.
Every batch has the same weight, and batches have the suite's size. The scale of importances depends on that size: the
square of a mean of B independent gradients falls like 1 / B. A D_f smaller than a batch therefore gets larger
importances. Sums are float32 and cover all parameters, including biases and the scales of normalisation layers.

BatchNorm: evaluation mode; it uses its running statistics and leaves them unchanged. No optimizer, no rate.

Chosen here: images are not augmented. SSD's code does not augment either; Goel's and Potion's do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unlearnbench import Batch, ImageSet

Loss = Callable[[Tensor, Batch], Tensor]
"""Maps logits [B, classes] and their batch to the batch's mean loss."""


def importances(model: nn.Module, images: ImageSet, loss: Loss, measure: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean over batches of measure(gradient of the batch's mean loss) for all parameters, flattened to [P]."""
    model.eval()
    parameters = list(model.parameters())
    total = torch.zeros(sum(parameter.numel() for parameter in parameters), device=parameters[0].device)
    for batch in images.batches(shuffle=False, augment=False):
        gradients = torch.autograd.grad(loss(model(batch.images), batch), parameters)
        flat = torch.cat([gradient.float().flatten() for gradient in gradients])
        total += measure(flat)
    return total / images.steps_per_pass


def squared(gradient: Tensor) -> Tensor:
    return gradient.square()


def ratios(forget: Tensor, all_: Tensor) -> Tensor:
    """I_f / I_D of each parameter, [P]; NaN where both are 0, infinite where only I_D is."""
    return forget / all_


def percentile(sorted_ratios: Tensor, q: float) -> float:
    """The q-th percentile of finite ratios in ascending order, with NumPy's linear interpolation."""
    position = q / 100 * (len(sorted_ratios) - 1)
    low = int(position)
    high = min(low + 1, len(sorted_ratios) - 1)
    a, b = float(sorted_ratios[low]), float(sorted_ratios[high])
    return a + (b - a) * (position - low)


def finite_sorted(values: Tensor) -> Tensor:
    return values[values.isfinite()].sort().values


@torch.no_grad()
def dampen(model: nn.Module, ratio: Tensor, alpha: float, weight: float) -> None:
    """Multiply parameters with a ratio I_f / I_D above alpha by min(1, weight / ratio), in place."""
    factor = torch.where(ratio > alpha, (weight / ratio).clamp(max=1), torch.ones_like(ratio))
    sizes = [parameter.numel() for parameter in model.parameters()]
    for parameter, part in zip(model.parameters(), factor.split(sizes), strict=True):
        parameter.mul_(part.view_as(parameter))
