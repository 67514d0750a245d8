"""The architecture is the published one, and its channels can be gated, added and dropped."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from unlearnbench.models import ModelSpec, build
from unlearnbench.models.resnet9 import ResNet9


@pytest.fixture
def images() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(4, 3, 16, 16)


@pytest.fixture
def narrow(images: torch.Tensor) -> ResNet9:
    model = ResNet9(10, width=0.25, capacity=0.5)
    model(images)  # running statistics that are not the initial ones
    return model


@pytest.mark.parametrize(("capacity", "parameters"), [(1.0, 2_276_224), (0.5, 940_032)])
def test_the_published_number_of_parameters(capacity: float, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in ResNet9(10, capacity=capacity).parameters()) == parameters


def test_the_published_number_of_operations() -> None:
    with FlopCounterMode(display=False) as counter:
        ResNet9(10)(torch.zeros(2, 3, 32, 32))
    assert counter.get_total_flops() / 2 == pytest.approx(2 * 0.29e9, rel=0.02)  # a multiplication and an addition


def test_half_capacity_has_half_of_the_channels() -> None:
    assert ResNet9(10, capacity=0.5).groups == (32, 64, 128, 64)
    model = build(ModelSpec("resnet9", classes=7, channels=1, image_size=32, width=0.5, capacity=0.5))
    assert model.groups == (16, 32, 64, 32)


def inside(model: ResNet9) -> tuple[int, ...]:
    """The channels between the two convolutions of the residual blocks."""
    return tuple(model.get_parameter(f"{name}.0.conv.weight").shape[0] for name in ("res1", "res2"))


@pytest.mark.parametrize("width", [0.05, 0.25, 1.0])
def test_channels_inside_of_a_residual_block_are_there_at_every_capacity(width: float) -> None:
    expected = (round(128 * width), round(256 * width))
    for capacity in (0.25, 0.5, 0.9, 1.0):
        model = ResNet9(10, width=width, capacity=capacity)
        assert inside(model) == inside(model.expanded()) == inside(model.expanded(0.9)) == expected


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (28, 1), (32, 3)])
def test_sizes(size: int, channels: int) -> None:
    logits = ResNet9(5, channels, width=0.1)(torch.randn(2, channels, size, size))
    assert logits.shape == (2, 5)
    assert logits.dtype is torch.float32


@pytest.mark.parametrize("shared", [0.25, 0.5, 0.9])
def test_the_new_channels_gated_off_leave_the_model(narrow: ResNet9, images: torch.Tensor, shared: float) -> None:
    wide = narrow.expanded(shared).eval()
    narrow.eval()
    own = [
        (torch.arange(after) < before).float().expand(4, -1)
        for before, after in zip(narrow.groups, wide.groups, strict=True)
    ]
    expected = narrow(images)
    assert torch.allclose(wide(images, own), expected, atol=1e-5)
    assert torch.allclose(functional_call(narrow, narrow.corner_of(wide), (images,)), expected, atol=1e-6)
    assert not torch.allclose(wide(images), expected, atol=1e-2)


@pytest.mark.parametrize("width", [0.05, 0.07, 0.25])
def test_expanding_doubles_every_group_exactly(width: float) -> None:
    model = ResNet9(10, width=width)
    assert model.expanded().groups == tuple(2 * n for n in model.groups)
    assert model.expanded().expanded().groups == tuple(4 * n for n in model.groups)


@pytest.mark.parametrize("shared", [0.25, 0.5, 0.9])
def test_a_model_of_the_shared_channels_widens_to_the_full_one(shared: float) -> None:
    model = ResNet9(10, capacity=shared)
    wide = model.widened(shared)
    assert wide.groups == (64, 128, 256, 128)
    assert sum(parameter.numel() for parameter in wide.parameters()) == 2_276_224
    assert model.groups == tuple(round(shared * group) for group in wide.groups)


def test_a_share_of_all_adds_nothing_and_no_share_takes_away(narrow: ResNet9) -> None:
    assert narrow.widened_groups(1.0) == narrow.groups
    shares = [0.1 * tenth for tenth in range(1, 11)]
    for less, more in itertools.pairwise(narrow.widened_groups(share) for share in shares):
        assert all(a >= b >= own for a, b, own in zip(less, more, narrow.groups, strict=True))


def test_training_the_corner_reaches_the_wide_model(narrow: ResNet9, images: torch.Tensor) -> None:
    wide = narrow.expanded()
    statistics = wide.get_buffer("conv1.norm.running_mean")
    before = statistics.clone()
    functional_call(narrow, narrow.corner_of(wide), (images,)).sum().backward()
    gradient, n = wide.conv2.conv.weight.grad, narrow.groups
    assert gradient is not None
    assert gradient[: n[1], : n[0]].abs().sum() > 0
    assert gradient[n[1] :].abs().sum() == gradient[:, n[0] :].abs().sum() == 0
    moved = statistics != before
    assert moved[: n[0]].all()
    assert not moved[n[0] :].any()


def test_a_gate_closes_a_channel_for_its_sample_only(narrow: ResNet9, images: torch.Tensor) -> None:
    narrow.eval()
    gates = [torch.ones(4, n) for n in narrow.groups]
    open_logits = narrow(images, gates)
    assert torch.equal(open_logits, narrow(images))
    gates[3][1, :] = 0
    closed = narrow(images, gates)
    assert torch.equal(closed[1], torch.zeros(10))
    assert torch.equal(closed[[0, 2, 3]], open_logits[[0, 2, 3]])
