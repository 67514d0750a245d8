"""The schedule is the published one, and training is a function of its seed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from unlearnbench import Batch, ImageSet, Pipeline, Recipe, predict, warmup_then_decay
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.training import train


def images() -> ImageSet:
    pixels = torch.randint(0, 256, (40, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    pipeline, generator = Pipeline((0.5,), (0.3,), 1, False), torch.Generator().manual_seed(0)
    return ImageSet(pixels, torch.arange(40) % 4, torch.arange(40), pipeline, generator, 20)


def test_the_rate_rises_then_falls_to_about_a_fifth() -> None:
    shares = [warmup_then_decay(step, 4000) for step in range(4000)]
    assert shares[0] == pytest.approx(1 / 41)
    assert shares[39] == pytest.approx(40 / 41)
    assert shares[40] == 1
    assert shares[40 + 2000] == pytest.approx(1 - 0.8 * 0.5)
    assert shares[-1] == pytest.approx(1 - 0.8 * 3959 / 4000)
    assert all(a < b for a, b in itertools.pairwise(shares[:41]))
    assert all(a > b for a, b in itertools.pairwise(shares[40:]))


@pytest.mark.parametrize(
    ("steps", "warmup", "final", "expected"),
    [
        (4, 0.0, 1.0, [1, 1, 1, 1]),  # a constant rate
        (4, 0.0, 0.0, [1, 0.75, 0.5, 0.25]),  # the end itself would be step 4
        (5, 0.4, 0.5, [1 / 3, 2 / 3, 1, 0.9, 0.8]),
        (4, 1.0, 0.2, [0.2, 0.4, 0.6, 0.8]),  # nothing but warm-up
        (99, 0.01, 0.2, [1 - 0.8 * step / 99 for step in range(99)]),  # 0.99 of a step is none
        (100, 0.29, 1.0, [(step + 1) / 30 for step in range(29)] + [1] * 71),  # 0.29 * 100 is 28.999999999999996
        (1, 0.5, 0.2, [1]),
    ],
)
def test_the_rate_by_hand(steps: int, warmup: float, final: float, expected: list[float]) -> None:
    assert [warmup_then_decay(step, steps, warmup, final) for step in range(steps)] == pytest.approx(expected)


def test_originals_are_trained_at_these_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    monkeypatch.setattr("unlearnbench.models.training.set_rate", lambda optimizer, rate: rates.append(rate))
    train(ResNet9(4, 1, width=0.05), images(), Recipe(5, 20, 0.1, warmup=0.4, final=0.5))
    assert rates == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 0.09, 0.08])


@pytest.mark.parametrize(("until", "augmented"), [(1.0, 10), (0.65, 6), (0.0, 0)])
def test_batches_are_augmented_until_a_share_of_the_steps(
    monkeypatch: pytest.MonkeyPatch, until: float, augmented: int
) -> None:
    drawn: list[bool] = []
    batches = ImageSet.batches

    def watched(self: ImageSet, steps: int, size: int, *, augment: bool) -> Iterator[Batch]:
        for batch in batches(self, steps, size, augment=augment):
            drawn.append(augment)
            yield batch

    monkeypatch.setattr(ImageSet, "batches", watched)
    plain = replace(images(), augment=False)  # what methods get is nothing to originals
    train(ResNet9(4, 1, width=0.05), plain, Recipe(10, 20, 0.1, augment_until=until))
    assert drawn == [True] * augmented + [False] * (10 - augmented)


def test_a_recipe_that_always_augments_draws_what_it_drew_before_there_was_a_choice() -> None:
    """Methods that train from scratch go on with the same random stream afterwards."""
    source, plain = images(), images()
    train(ResNet9(4, 1, width=0.05), source, Recipe(3, 20, 0.1))
    assert len(list(plain.batches(3, 20))) == 3
    assert torch.equal(source.generator.get_state(), plain.generator.get_state())


def test_the_same_seed_trains_the_same_weights_and_learns() -> None:
    def trained(seed: int) -> ResNet9:
        torch.manual_seed(seed)
        model = ResNet9(4, 1, width=0.1)
        source = replace(images(), generator=torch.Generator().manual_seed(seed))
        train(model, source, Recipe(steps=60, batch_size=20, peak_learning_rate=0.05))
        return model

    first, second, other = trained(0), trained(0), trained(1)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    assert not torch.equal(first.linear.weight, other.linear.weight)
    source = images()
    assert (predict(first, source.images, source.pipeline) == source.labels).float().mean() > 0.7
