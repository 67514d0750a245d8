"""Importances of parameters, and dampening of those that matter more to D_f than to D: what SSD's family shares.

As in the authors' code, an importance is the mean over batches of a function of the batch's gradient, every batch
counting the same; batches are the suite's. Its scale depends on their size (the square of a mean of B independent
gradients falls like 1 / B), so a D_f that is smaller than a batch counts for more. The model is in evaluation mode:
BatchNorm uses its running statistics and leaves them alone. No optimizer, no rate. Sums are float32, and all parameters
take part: biases and the scales of normalisations too.

Chosen here: images are not augmented (so in SSD's code; Goel's and Potion's augment).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unlearnbench import Batch, ImageSet

Loss = Callable[[Tensor, Batch], Tensor]
"""The mean loss of a batch's logits [B, classes]."""


def importances(model: nn.Module, images: ImageSet, loss: Loss, measure: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean over batches of measure(gradient of the batch's mean loss), for every parameter of the model: [P]."""
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
    """I_f / I_D of each parameter, [P]; NaN where neither set needs it, infinite where only D_f does."""
    return forget / all_


def percentile(sorted_ratios: Tensor, q: float) -> float:
    """The q-th percentile of ratios sorted upwards, finite ones only, interpolated as NumPy does."""
    position = q / 100 * (len(sorted_ratios) - 1)
    low = int(position)
    high = min(low + 1, len(sorted_ratios) - 1)
    a, b = float(sorted_ratios[low]), float(sorted_ratios[high])
    return a + (b - a) * (position - low)


def finite_sorted(values: Tensor) -> Tensor:
    return values[values.isfinite()].sort().values


@torch.no_grad()
def dampen(model: nn.Module, ratio: Tensor, alpha: float, weight: float) -> None:
    """Multiply every parameter whose ratio I_f / I_D is over alpha by min(1, weight / ratio), in place."""
    factor = torch.where(ratio > alpha, (weight / ratio).clamp(max=1), torch.ones_like(ratio))
    sizes = [parameter.numel() for parameter in model.parameters()]
    for parameter, part in zip(model.parameters(), factor.split(sizes), strict=True):
        parameter.mul_(part.view_as(parameter))
