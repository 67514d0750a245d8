"""A model of less capacity starts as the first part of a whole one."""

from __future__ import annotations

import pytest
import torch

from unlearnbench import Classifier
from unlearnbench.models import ModelSpec, build

ARCHITECTURES = ("resnet9", "resnet18", "vit", "vit-small")


def built(architecture: str, capacity: float, width: float = 0.25) -> Classifier:
    torch.manual_seed(7)
    return build(ModelSpec(architecture, classes=5, channels=1, image_size=16, width=width, capacity=capacity))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("width", "capacity"), [(0.25, 0.5), (0.07, 0.5), (0.25, 0.9), (0.05, 0.1)])
def test_less_capacity_is_the_first_part_of_the_whole_model_of_that_seed(
    architecture: str, width: float, capacity: float
) -> None:
    whole = built(architecture, 1.0, width)
    after = torch.get_rng_state()
    part = built(architecture, capacity, width)
    assert torch.equal(torch.get_rng_state(), after)
    assert all(fewer < all_ for fewer, all_ in zip(part.groups, whole.groups, strict=True))
    corner, state = part.corner_of(whole), part.state_dict()
    assert corner.keys() == state.keys()
    for name, tensor in corner.items():
        assert torch.equal(state[name], tensor), name
        assert state[name].shape == tensor.shape, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_another_model_is_drawn_each_time(architecture: str) -> None:
    first = built(architecture, 0.5).head.weight
    again = build(ModelSpec(architecture, classes=5, channels=1, image_size=16, width=0.25, capacity=0.5)).head.weight
    assert not torch.equal(first, again)


def test_old_and_new_channels_of_an_expansion_start_at_one_scale() -> None:
    part = built("resnet9", 0.5, 1.0)
    weight = part.expanded().get_parameter("conv3.conv.weight").detach()
    old = part.groups[2], part.groups[1]
    assert torch.equal(weight[: old[0], : old[1]], part.get_parameter("conv3.conv.weight"))
    assert weight[: old[0], : old[1]].std() / weight[old[0] :, old[1] :].std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("capacity", [0.5, 1.0])
def test_biases_of_convolutions_start_at_zero_and_no_weight_does(capacity: float) -> None:
    model = built("resnet9", capacity)
    biases = [tensor for name, tensor in model.named_parameters() if name.endswith("conv.bias")]
    assert len(biases) == 8
    assert not any(bias.any() for bias in biases)
    assert all(tensor.all() for name, tensor in model.named_parameters() if name.endswith("weight"))
