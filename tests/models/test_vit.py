"""The published vision transformer: its size, and what it computes, read from the papers a second time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unlearnbench.models.vit import ViT

IMAGES = torch.randn(3, 2, 16, 16, generator=torch.Generator().manual_seed(1))


def test_the_published_number_of_parameters() -> None:
    model = ViT(10, 3, 32)
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_013_518
    assert model.groups == (1536,) * 4
    assert model.positions.shape == (17, 512)
    assert model.head.in_features == 512


def test_half_capacity_has_half_of_the_mlp_channels() -> None:
    model = ViT(10, 3, 32, capacity=0.5)
    assert sum(parameter.numel() for parameter in model.parameters()) == 7_864_718
    assert model.groups == (768,) * 4


def test_it_starts_as_the_published_one() -> None:
    torch.manual_seed(0)
    model = ViT(10, 3, 32)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        if name.endswith("temperature"):
            assert parameter.exp().item() == pytest.approx(64**-0.5), name
    assert model.positions.std().item() == pytest.approx(1, abs=0.03)
    assert model.token.std().item() == pytest.approx(1, abs=0.1)


def random_model(groups: tuple[int, ...] | None = None) -> ViT:
    """A tiny one in which nothing is at its initial value: scales, shifts, temperatures and biases are random."""
    generator = torch.Generator().manual_seed(2)
    model = ViT(3, 2, 16, width=1 / 16, groups=groups)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


def normalised(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    """LayerNorm of one vector."""
    deviation = ((x - x.mean()).square().mean() + 1e-5).sqrt()
    return (x - x.mean()) / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    return weights[f"{name}.weight"] @ x + weights.get(f"{name}.bias", torch.zeros(()))


def shifted(image: Tensor, right: int, down: int) -> Tensor:
    """The image moved by so many pixels, zeros where it was."""
    _, height, width = image.shape
    moved = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                moved[:, row, column] = image[:, row - down, column - right]
    return moved


def attended(tokens: list[Tensor], weights: dict[str, Tensor], name: str) -> list[Tensor]:
    """Locality self-attention, token by token and head by head: each token sees all others, but not itself."""
    rows = [linear(token, weights, f"{name}.qkv") for token in tokens]
    dim = len(tokens[0])
    head = dim // 8
    temperature = math.exp(weights[f"{name}.temperature"].item())
    results = []
    for index, row in enumerate(rows):
        parts = []
        for first in range(0, dim, head):
            query = row[first : first + head]
            others = [other for number, other in enumerate(rows) if number != index]
            keys = [other[dim + first : dim + first + head] for other in others]
            values = [other[2 * dim + first : 2 * dim + first + head] for other in others]
            scores = [math.exp(float(query @ key) * temperature) for key in keys]
            weighted = [score * value for score, value in zip(scores, values, strict=True)]
            parts.append(torch.stack(weighted).sum(dim=0) / sum(scores))
        results.append(linear(torch.cat(parts), weights, f"{name}.merge"))
    return results


def plain(model: ViT, image: Tensor, gates: list[Tensor]) -> Tensor:
    """Logits of one image, in doubles."""
    weights = {name: parameter.detach().double() for name, parameter in model.named_parameters()}
    image = image.double()
    copies = [shifted(image, 1, 0), shifted(image, -1, 0), shifted(image, 0, 1), shifted(image, 0, -1)]
    stack = torch.cat([image, *copies])
    tokens = [weights["token"][0]]
    for row in (0, 8):
        for column in (0, 8):
            pixels = stack[:, row : row + 8, column : column + 8].flatten()
            tokens.append(linear(normalised(pixels, weights, "patches.0"), weights, "patches.1"))
    tokens = [token + position for token, position in zip(tokens, weights["positions"], strict=True)]
    for block, gate in enumerate(gates):
        name = f"blocks.{block}"
        added = attended([normalised(token, weights, f"{name}.norm1") for token in tokens], weights, name)
        tokens = [token + more for token, more in zip(tokens, added, strict=True)]
        for index, token in enumerate(tokens):
            hidden = linear(normalised(token, weights, f"{name}.norm2"), weights, f"{name}.inner")
            hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2 * gate
            tokens[index] = token + linear(hidden, weights, f"{name}.outer")
    return linear(normalised(tokens[0], weights, "norm"), weights, "linear")


def test_it_computes_what_a_second_reading_does() -> None:
    model = random_model(groups=(5, 6, 7, 8))
    generator = torch.Generator().manual_seed(3)
    gates = [(torch.rand(3, group, generator=generator) < 0.5).float() for group in model.groups]
    with torch.no_grad():
        for given in (None, gates):
            logits = model(IMAGES.to(memory_format=torch.channels_last), given)
            for index, image in enumerate(IMAGES):
                own = (
                    [gate[index].double() for gate in gates] if given else [torch.ones(group) for group in model.groups]
                )
                torch.testing.assert_close(logits[index].double(), plain(model, image, own), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("width", [0.01, 0.05, 0.06, 0.25])
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (16, 1), (32, 3), (64, 3)])
def test_any_width_and_any_multiple_of_a_patch(width: float, size: int, channels: int) -> None:
    model = ViT(5, channels, size, width=width, capacity=0.5)
    dim = model.head.in_features
    assert dim == 8 * max(1, round(64 * width))
    assert model.groups == (max(1, round(1.5 * dim)),) * 4
    assert model(torch.randn(2, channels, size, size)).shape == (2, 5)
