"""ResNet-18 is torchvision's with the stem for small images, and its channels can be gated, added and dropped."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torchvision.models import resnet18

from unlearnbench.models import ModelSpec, build
from unlearnbench.models.resnet18 import ResNet18, Shortcut

IMAGES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_the_usual_number_of_parameters_and_groups() -> None:
    assert sum(parameter.numel() for parameter in ResNet18(10, 3, 32).parameters()) == 11_173_962
    half = build(ModelSpec("resnet18", classes=7, channels=1, image_size=16, width=0.25, capacity=0.5))
    assert isinstance(half, ResNet18)
    assert half.groups == (8, 16, 32, 64)
    assert half.get_parameter("layer4.0.conv1.weight").shape[0] == 128, "inside of a block all channels are there"


def test_it_computes_what_torchvision_s_does_with_its_weights() -> None:
    torch.manual_seed(0)
    model, other = ResNet18(10, 3, 16), resnet18(num_classes=10)
    other.conv1, other.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    other(IMAGES)  # running statistics that are not the initial ones
    model.load_state_dict(other.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(IMAGES), other.eval()(IMAGES))


def test_the_new_channels_gated_off_leave_the_model() -> None:
    torch.manual_seed(0)
    narrow = ResNet18(5, 3, 16, width=1 / 16, capacity=0.5)
    narrow(IMAGES)
    wide = narrow.expanded().eval()
    assert wide.groups == tuple(2 * group for group in narrow.groups)
    narrow.eval()
    off = [
        (torch.arange(after) < before).float().expand(4, -1)
        for before, after in zip(narrow.groups, wide.groups, strict=True)
    ]
    with torch.no_grad():
        expected = narrow(IMAGES)
        torch.testing.assert_close(wide(IMAGES, off), expected)
        torch.testing.assert_close(functional_call(narrow, narrow.corner_of(wide), (IMAGES,)), expected)
        assert not torch.allclose(wide(IMAGES), expected, atol=1e-3)


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("inputs", [3, 8, 16])
def test_a_shortcut_is_a_convolution_with_a_stride(inputs: int, size: int) -> None:
    torch.manual_seed(0)
    ours = Shortcut(inputs, 2 * inputs, 1, 2, bias=False)
    theirs = nn.Conv2d(inputs, 2 * inputs, 1, 2, bias=False).double()  # in float64 oneDNN has no part in it
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(36, inputs, size, size).to(memory_format=torch.channels_last)
    here, there = images.clone().requires_grad_(), images.double().requires_grad_()
    for layer, given in ((ours, here), (theirs, there)):
        (layer(given) ** 2).sum().backward()
    torch.testing.assert_close(here.grad, there.grad, check_dtype=False, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, check_dtype=False, atol=1e-2, rtol=1e-3)
