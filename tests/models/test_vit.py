"""The vision transformer: shapes, gates, expansion, and that methods can train all of it."""

from __future__ import annotations

import pytest
import torch

from unlearnbench.errors import UsageError
from unlearnbench.method import Recipe, optimizer
from unlearnbench.models import build
from unlearnbench.models.vit import ViT


def small(seed: int = 0, capacity: float = 0.5) -> ViT:
    torch.manual_seed(seed)
    return ViT(3, 1, 16, width=1 / 16, capacity=capacity)


IMAGES = torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def test_the_full_model_has_the_stated_size_and_gives_float_logits() -> None:
    model = ViT(10, 3, 32)
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_693_578
    assert model.groups == (768,) * 6
    images = torch.randn(2, 3, 32, 32).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        logits = model(images)
    assert (logits.shape, logits.dtype) == ((2, 10), torch.float32)


def test_it_computes_what_torchvision_s_own_forward_does() -> None:
    model = ViT(10, 3, 32, width=0.25).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(images), model.vit(images))


def test_capacity_is_the_share_of_mlp_channels() -> None:
    half, whole = small(capacity=0.5), small(capacity=1.0)
    assert [2 * group for group in half.groups] == list(whole.groups)
    for name, parameter in half.named_parameters():
        if "mlp" not in name:
            assert parameter.shape == whole.get_parameter(name).shape, name


def test_closed_gates_leave_the_original_of_an_expansion() -> None:
    model = small()
    wide = model.expanded()
    assert wide.groups == tuple(2 * group for group in model.groups)
    closed = [torch.cat([torch.ones(5, group), torch.zeros(5, group)], dim=1) for group in model.groups]
    with torch.no_grad():
        torch.testing.assert_close(wide(IMAGES, closed), model(IMAGES))
        assert not torch.allclose(wide(IMAGES), model(IMAGES))
        corner = torch.func.functional_call(model, model.corner_of(wide), (IMAGES,))
        torch.testing.assert_close(corner, model(IMAGES))


def test_a_gate_is_a_sample_s_own() -> None:
    model = small()
    gates = [torch.ones(5, group) for group in model.groups]
    gates[2][3] = 0
    with torch.no_grad():
        changed = (model(IMAGES, gates) - model(IMAGES)).abs().amax(dim=1) > 1e-6
    assert changed.tolist() == [False, False, False, True, False]


def test_training_through_the_corner_reaches_the_expansion() -> None:
    model = small()
    wide = model.expanded()
    torch.func.functional_call(model, model.corner_of(wide), (IMAGES,)).square().sum().backward()
    inner = wide.vit.encoder.layers[0].mlp[0].weight.grad
    assert inner[: model.groups[0]].any()
    assert not inner[model.groups[0] :].any()


def test_every_parameter_is_trained_and_the_same_seed_gives_the_same_weights() -> None:
    def trained() -> ViT:
        model = small()
        update = optimizer(model, Recipe(1, 5, 1e-3, optimizer="adam", weight_decay=0.0), 1e-3)
        assert isinstance(update, torch.optim.Adam)
        for _ in range(3):
            update.zero_grad()
            torch.nn.functional.cross_entropy(model(IMAGES), torch.tensor([0, 1, 2, 0, 1])).backward()
            update.step()
        return model

    first, second, before = trained(), trained(), small()
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, second.get_parameter(name)), name
        assert not torch.equal(parameter, before.get_parameter(name)), name


def test_an_image_that_cannot_be_cut_into_patches_is_refused() -> None:
    with pytest.raises(UsageError, match="image_size must be a multiple of 4, not 30"):
        build("vit", classes=10, channels=3, image_size=30, width=1.0, capacity=0.5)
