"""SAP: Kodge et al., "SAP: Corrective Machine Unlearning with Scaled Activation Projection", arXiv 2403.08618.

No forget set is used. The `trusted` samples of D_tr with the lowest loss under the original are taken for clean. For
each convolution and linear layer, R holds what enters it from them, one column an input vector (an image patch for a
convolution), R = U S V^T. With sigma_i^2 = s_i^2 / sum_j s_j^2, the layer's weights are projected on the input side:

    Lambda_i = alpha sigma_i^2 / ((alpha - 1) sigma_i^2 + 1),    W <- W U diag(Lambda) U^T

Directions that the trusted samples hardly use are damped; one shot, no training.

BatchNorm: evaluation mode, running statistics are left alone. No optimizer, no rate.

Chosen here: the lowest loss, as in the paper's abstract (the released script ranks by the curvature of the loss, class
by class, and for synthetic corruption with clean labels); alpha is one number (there: the best of 1e4 .. 1e6 on a
validation set, clean where it is known); all input vectors count (there: 50,000 drawn ones). The eigenvectors of R R^T
are used, which are U with s^2, in float64; all layers are measured on the original before any is changed; a grouped
convolution or an attention's packed input projection, which is no module of its own, is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench import ImageSet, Problem, UnlearningMethod


def inputs_of(layer: nn.Conv2d | nn.Linear, x: Tensor) -> Tensor:
    """The input vectors of a layer as rows, float64 [count, inputs]: patches in the order of the weight's columns."""
    if isinstance(layer, nn.Conv2d):
        patches = functional.unfold(x.float(), layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # type: ignore[arg-type]
        return patches.transpose(1, 2).flatten(0, 1).double()
    return x.flatten(0, -2).double()


def projection(gram: Tensor, alpha: float) -> Tensor:
    """U diag(Lambda) U^T from R R^T [d, d]."""
    values, vectors = torch.linalg.eigh(gram)
    share = values.clamp(min=0) / values.clamp(min=0).sum()
    scale = alpha * share / ((alpha - 1) * share + 1)
    projected: Tensor = (vectors * scale) @ vectors.T
    return projected


@torch.no_grad()
def grams(model: nn.Module, images: ImageSet) -> dict[nn.Conv2d | nn.Linear, Tensor]:
    """R R^T of every layer that is called as a module, float64, over these images in evaluation mode."""
    sums: dict[nn.Conv2d | nn.Linear, Tensor] = {}

    def add(layer: Any, arguments: Any, output: Any) -> None:
        vectors = inputs_of(layer, arguments[0])
        sums[layer] = sums.get(layer, 0.0) + vectors.T @ vectors

    layers = [m for m in model.modules() if isinstance(m, nn.Linear) or (isinstance(m, nn.Conv2d) and m.groups == 1)]
    hooks: list[Callable[[], None]] = [layer.register_forward_hook(add).remove for layer in layers]
    model.eval()
    for batch in images.batches(batch_size=64, shuffle=False, augment=False):  # patches in float64 are large
        model(batch.images)
    for remove in hooks:
        remove()
    return sums


@torch.no_grad()
def losses(model: nn.Module, images: ImageSet) -> Tensor:
    """Cross-entropy of every sample with the label that it carries, [N], in evaluation mode."""
    model.eval()
    parts = images.batches(shuffle=False, augment=False)
    return torch.cat([functional.cross_entropy(model(b.images), b.labels, reduction="none") for b in parts])


@dataclass(frozen=True)
class SAP(UnlearningMethod):
    """Keep what trusted samples use.

    Args:
        alpha: the larger, the fewer directions are damped; at infinity the model is the original.
        trusted: how many samples are trusted.
    """

    alpha: float = 1e5
    trusted: int = 1000

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        with torch.autocast(problem.device.type, enabled=False):
            lowest = losses(model, problem.train).argsort(stable=True)[: self.trusted]
            for layer, gram in grams(model, problem.train.take(lowest)).items():
                weight = layer.weight.detach().flatten(1).double() @ projection(gram, self.alpha)
                layer.weight.data.copy_(weight.view_as(layer.weight))
        return model.train()
