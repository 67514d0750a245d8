"""SAP: Kodge et al., "SAP: Corrective Machine Unlearning with Scaled Activation Projection", arXiv 2403.08618.

One shot, without training and without D_f. The `trusted` samples of D_tr with the lowest loss under the original are
assumed clean. For each convolution and linear layer, the columns of R are the layer's input vectors on these samples
(image patches for a convolution), with R = U S V^T. With sigma_i^2 = s_i^2 / sum_j s_j^2, the layer's weights are
projected on the input side:

    Lambda_i = alpha sigma_i^2 / ((alpha - 1) sigma_i^2 + 1),    W <- W U diag(Lambda) U^T

This damps directions that the trusted samples hardly use.

BatchNorm: evaluation mode; the running statistics are left unchanged. No optimizer, no rate.

Chosen here:
- Samples are trusted by lowest loss, as in the paper's abstract. The released script ranks by the curvature of the
  loss, class by class, and for synthetic corruption uses clean labels.
- alpha is one number. The authors take the best of 1e4 .. 1e6 on a validation set, clean where clean labels are known.
- All input vectors count; the authors draw 50,000.
- U and s^2 are the eigenvectors and eigenvalues of R R^T in float64. All layers are measured on the original before any
  is changed.
- Grouped convolutions are left unchanged. So are the projections of `nn.MultiheadAttention`, which it does not call as
  modules.
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
    """Input vectors of a layer as rows, float64 [count, inputs], ordered like the columns of its flattened weight."""
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
    """R R^T in float64 for every layer that is called as a module, over these images, in evaluation mode."""
    sums: dict[nn.Conv2d | nn.Linear, Tensor] = {}

    def add(layer: Any, arguments: Any, output: Any) -> None:
        vectors = inputs_of(layer, arguments[0])
        sums[layer] = sums.get(layer, 0.0) + vectors.T @ vectors

    layers = [m for m in model.modules() if isinstance(m, nn.Linear) or (isinstance(m, nn.Conv2d) and m.groups == 1)]
    hooks: list[Callable[[], None]] = [layer.register_forward_hook(add).remove for layer in layers]
    model.eval()
    for batch in images.batches(batch_size=64, shuffle=False, augment=False):  # float64 patches take much memory
        model(batch.images)
    for remove in hooks:
        remove()
    return sums


@torch.no_grad()
def losses(model: nn.Module, images: ImageSet) -> Tensor:
    """Cross-entropy of every sample with the label it carries, [N], in evaluation mode."""
    model.eval()
    parts = images.batches(shuffle=False, augment=False)
    return torch.cat([functional.cross_entropy(model(b.images), b.labels, reduction="none") for b in parts])


@dataclass(frozen=True)
class SAP(UnlearningMethod):
    """Project the weights onto the directions that trusted samples use.

    Args:
        alpha: a larger value damps fewer directions; at infinity the model is the original.
        trusted: number of trusted samples.
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
