"""The small vision transformer is torchvision's, at a size of its own."""

from __future__ import annotations

import torch

from unlearnbench.models.vit_small import ViTSmall


def test_the_full_model_has_the_stated_size() -> None:
    model = ViTSmall(10, 3, 32)
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_693_578
    assert model.groups == (768,) * 6


def test_it_computes_what_torchvision_s_own_forward_does() -> None:
    model = ViTSmall(10, 3, 32, width=0.25).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(images), model.vit(images))
