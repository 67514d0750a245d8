"""The samples that pass through a classifier are counted, within the transforms of `torch.func` too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from unlearnbench.boundary.child import count_samples
from unlearnbench.contract.classifier import Classifier
from unlearnbench.models import ModelSpec, build

SPEC = ModelSpec(architecture="resnet9", width=0.05, capacity=1.0, classes=10, channels=1, image_size=16)


def plainly(model: Classifier, images: Tensor) -> None:
    model(images).sum().backward()


def forward(model: Classifier, images: Tensor) -> None:
    with torch.no_grad():
        model(images)


def with_grad(model: Classifier, images: Tensor) -> None:
    grad(lambda weights: functional_call(model, weights, (images,)).sum())(dict(model.named_parameters()))


def per_sample(model: Classifier, images: Tensor) -> None:
    def loss(weights: dict[str, Tensor], image: Tensor) -> Tensor:
        total: Tensor = functional_call(model, weights, (image[None],)).sum()
        return total

    vmap(grad(loss), in_dims=(None, 0))(dict(model.named_parameters()), images)


@pytest.mark.parametrize(("passes", "backward"), [(plainly, 7), (forward, 0), (with_grad, 7), (per_sample, 7)])
def test_samples_are_counted(passes: Callable[[Classifier, Tensor], None], backward: int) -> None:
    model, counts = build(SPEC).eval(), {"forward": 0, "backward": 0}
    counting = count_samples(counts)
    try:
        passes(model, torch.zeros(7, 1, 16, 16))
    finally:
        counting.remove()
    assert counts == {"forward": 7, "backward": backward}
    model(torch.zeros(7, 1, 16, 16))
    assert counts["forward"] == 7
