"""What both vision transformers do alike: shapes, gates, expansion, and that methods can train all of them."""

from __future__ import annotations

import pytest
import torch

from unlearnbench import ImageSet, Pipeline, Recipe, optimizer, tied_gates
from unlearnbench.errors import UsageError
from unlearnbench.models import ModelSpec, build
from unlearnbench.models.training import train
from unlearnbench.models.vit import ViT
from unlearnbench.models.vit_small import ViTSmall

Transformer = ViT | ViTSmall
BOTH = pytest.mark.parametrize("kind", [ViT, ViTSmall])
IMAGES = torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def small(kind: type[Transformer], seed: int = 0, capacity: float = 0.5) -> Transformer:
    torch.manual_seed(seed)
    return kind(3, 1, 16, width=1 / 16, capacity=capacity)


@pytest.mark.parametrize(("name", "kind"), [("vit", ViT), ("vit-small", ViTSmall)])
def test_the_names_in_suites(name: str, kind: type[Transformer]) -> None:
    model = build(ModelSpec(name, classes=10, channels=3, image_size=32, width=0.1, capacity=0.5))
    assert type(model) is kind


@BOTH
def test_logits_are_floats_in_any_precision(kind: type[Transformer]) -> None:
    model = small(kind).eval()
    with torch.no_grad():
        expected = model(IMAGES)
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            logits = model(IMAGES.to(memory_format=torch.channels_last))
    assert (logits.shape, logits.dtype) == ((5, 3), torch.float32)
    torch.testing.assert_close(logits, expected, rtol=0.05, atol=0.05)


@BOTH
def test_capacity_is_the_share_of_mlp_channels(kind: type[Transformer]) -> None:
    half, whole = small(kind, capacity=0.5), small(kind, capacity=1.0)
    assert [2 * group for group in half.groups] == list(whole.groups)
    resized = [name for name, tensor in half.named_parameters() if tensor.shape != whole.get_parameter(name).shape]
    assert len(resized) == 3 * len(half.groups)  # of each block: weights and biases into the MLP, weights out of it


@BOTH
@pytest.mark.parametrize("shared", [0.25, 0.5, 0.9])
def test_closed_gates_leave_the_original_of_an_expansion(kind: type[Transformer], shared: float) -> None:
    model = small(kind)
    wide = model.expanded(shared)
    assert wide.groups == tuple(round(group / shared) for group in model.groups)
    assert type(wide) is kind
    closed = [
        (torch.arange(after) < before).float().expand(5, -1)
        for before, after in zip(model.groups, wide.groups, strict=True)
    ]
    with torch.no_grad():
        torch.testing.assert_close(wide(IMAGES, closed), model(IMAGES))
        assert not torch.allclose(wide(IMAGES), model(IMAGES))
        corner = torch.func.functional_call(model, model.corner_of(wide), (IMAGES,))
        torch.testing.assert_close(corner, model(IMAGES))


@BOTH
def test_a_gate_is_a_sample_s_own(kind: type[Transformer]) -> None:
    model = small(kind)
    gates = [torch.ones(5, group) for group in model.groups]
    gates[2][3] = 0
    with torch.no_grad():
        changed = (model(IMAGES, gates) - model(IMAGES)).abs().amax(dim=1) > 1e-6
    assert changed.tolist() == [False, False, False, True, False]


@BOTH
def test_training_through_the_corner_reaches_the_expansion(kind: type[Transformer]) -> None:
    model = small(kind)
    wide = model.expanded()
    torch.func.functional_call(model, model.corner_of(wide), (IMAGES,)).square().sum().backward()
    new = 0
    for name, parameter in wide.named_parameters():
        assert parameter.grad is not None, name
        own = tuple(slice(size) for size in model.get_parameter(name).shape)
        assert parameter.grad[own].any(), name
        parameter.grad[own] = 0
        assert not parameter.grad.any(), name
        new += parameter.numel() - model.get_parameter(name).numel()
    assert new > 0


@BOTH
def test_every_parameter_is_trained_and_the_same_seed_gives_the_same_weights(kind: type[Transformer]) -> None:
    def trained() -> Transformer:
        model = small(kind)
        update = optimizer(model, Recipe(1, 5, 1e-3, optimizer="adam", weight_decay=0.0), 1e-3)
        assert isinstance(update, torch.optim.Adam)
        for _ in range(3):
            update.zero_grad()
            torch.nn.functional.cross_entropy(model(IMAGES), torch.tensor([0, 1, 2, 0, 1])).backward()
            update.step()
        return model

    first, second, before = trained(), trained(), small(kind)
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, second.get_parameter(name)), name
        assert not torch.equal(parameter, before.get_parameter(name)), name


@BOTH
@pytest.mark.parametrize("tied", [None, 0.2])
def test_it_memorises_what_it_is_trained_on(kind: type[Transformer], tied: float | None) -> None:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (24, 1, 16, 16), dtype=torch.uint8, generator=generator)
    labels, pipeline = torch.arange(24) % 3, Pipeline((0.5,), (0.3,), 0, False)
    images = ImageSet(pixels, labels, torch.arange(24), pipeline, generator, 24)
    model = small(kind)
    expanded = train(model, images, Recipe(60, 24, 3e-3, final=1.0, optimizer="adam", tied_dropout=tied))
    with torch.no_grad():
        if expanded is None:
            logits = model(pipeline.normalised(pixels))
        else:
            gates = tied_gates(images.ids, model.groups, expanded.groups, 0.2)
            logits = expanded(pipeline.normalised(pixels), gates)
            for name, tensor in model.corner_of(expanded).items():
                assert torch.equal(tensor, model.get_parameter(name)), name
    assert (logits.argmax(1) == labels).float().mean() > 0.9


@pytest.mark.parametrize(("name", "patch", "size"), [("vit", 8, 28), ("vit-small", 4, 30)])
def test_an_image_that_cannot_be_cut_into_patches_is_refused(name: str, patch: int, size: int) -> None:
    with pytest.raises(UsageError, match=f"a {name} splits .*image_size must be a multiple of {patch}, not {size}$"):
        build(ModelSpec(name, classes=10, channels=3, image_size=size, width=1.0, capacity=0.5))
