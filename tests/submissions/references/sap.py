"""SAP, layer by layer: the weights are projected on what trusted samples bring into the layer.

The released formulas, on the samples that the project trusts: those of D_tr with the lowest loss.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.submissions.proof import Trace, state
from tests.submissions.references.plain import everything, original
from unlearnbench import Problem


def columns(layer: nn.Module, entered: Tensor) -> Tensor:
    """Input vectors, [inputs, count]: of a convolution the patches, zeros around the image included."""
    if not isinstance(layer, nn.Conv2d):
        return entered.T
    (height, width), (down, right) = layer.kernel_size, layer.stride
    assert not isinstance(layer.padding, str)
    above, left = layer.padding
    padded = functional.pad(entered, (left, left, above, above))
    patches = [
        padded[:, :, row : row + height, column : column + width].reshape(len(padded), -1)
        for row in range(0, padded.shape[2] - height + 1, down)
        for column in range(0, padded.shape[3] - width + 1, right)
    ]
    return torch.cat(patches).T


def reference(problem: Problem, alpha: float, trusted: int) -> Trace:
    x, y = everything(problem)
    model = original(problem).eval()
    with torch.no_grad():
        losses = -model(x).log_softmax(1)[torch.arange(len(y)), y]
    lowest = losses.argsort(stable=True)[:trusted]

    entered: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        entered[layer] = inputs[0].double()

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_pre_hook(keep) for layer in layers]
    with torch.no_grad():
        model(x[lowest])
    for handle in handles:
        handle.remove()

    for layer in layers:
        u, s, _ = torch.linalg.svd(columns(layer, entered[layer]), full_matrices=False)
        r = s**2 / (s**2).sum()
        projection = u @ torch.diag(alpha * r / ((alpha - 1) * r + 1)) @ u.T
        weights = layer.weight.detach().flatten(1).double() @ projection
        layer.weight.data = weights.float().view_as(layer.weight)
    return Trace([], state(model))
