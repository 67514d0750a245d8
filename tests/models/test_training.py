"""The schedule is the published one, and training is a function of its seed."""

from __future__ import annotations

import itertools

import pytest
import torch

from unlearnbench.method import ImageSet, Pipeline, Recipe
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.training import learning_rate, train

RECIPE = Recipe(steps=4000, batch_size=512, peak_learning_rate=0.025)


def test_the_rate_rises_then_falls_to_a_fifth() -> None:
    rates = [learning_rate(step, RECIPE) for step in range(RECIPE.steps)]
    assert rates[0] == pytest.approx(0.025 / 40)
    assert rates[39] == pytest.approx(0.025)
    assert max(rates) == rates[39]
    assert rates[-1] == pytest.approx(0.005)
    assert all(a > b for a, b in itertools.pairwise(rates[39:]))
    assert rates[39 + 1980] == pytest.approx((0.025 + 0.005) / 2)


def test_the_same_seed_trains_the_same_weights_and_learns() -> None:
    images = torch.randint(0, 256, (40, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(40) % 4

    def trained(seed: int) -> ResNet9:
        torch.manual_seed(seed)
        model = ResNet9(4, 1, width=0.1)
        pipeline = Pipeline((0.5,), (0.3,), 1, False)
        generator = torch.Generator().manual_seed(seed)
        source = ImageSet(images, labels, torch.arange(40), pipeline, generator)
        train(model, source, Recipe(steps=60, batch_size=20, peak_learning_rate=0.05))
        return model

    first, second, other = trained(0), trained(0), trained(1)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    assert not torch.equal(first.linear.weight, other.linear.weight)
    pipeline = Pipeline((0.5,), (0.3,), 0, False)
    assert (first.eval()(pipeline.normalised(images)).argmax(1) == labels).float().mean() > 0.7
