"""Example-tied dropout: whose channels a sample sees depends on its index alone, and what is dropped is gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from unlearnbench import ImageSet, Pipeline, Recipe, tied_gates
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.training import train

GROUPS = (4, 8, 16, 8)
WIDE = {0.25: (16, 32, 64, 32), 0.5: (8, 16, 32, 16), 0.9: (4, 9, 18, 9)}
"""All channels, by the share of them that all samples see."""
RECIPE = Recipe(steps=6, batch_size=20, peak_learning_rate=0.05, tied_dropout=0.2)
SHOW = """import torch
from unlearnbench import tied_gates
print(torch.cat(tied_gates(torch.tensor([7, 123]), (4, 8, 16, 8), (8, 16, 32, 16), 0.2), 1).tolist())"""


def hashed(key: int) -> int:
    """An independent reading of the hash: two rounds of xor-shift and multiplication, modulo 2**32."""
    for _ in range(2):
        key = ((key >> 16) ^ key) * 0x45D9F3B % 2**32
    return (key >> 16) ^ key


@pytest.mark.parametrize("shared", WIDE)
def test_the_gates_of_a_sample_by_hand(shared: float) -> None:
    owners, wide = torch.tensor([0, 5, 49_999]), WIDE[shared]
    gates = tied_gates(owners, GROUPS, wide, 0.2)
    assert [gate.shape for gate in gates] == [(3, group) for group in wide]
    new = sum(wide) - sum(GROUPS)
    for row, owner in enumerate(owners.tolist()):
        channel = 0
        for group, gate in zip(GROUPS, gates, strict=True):
            assert gate[row, :group].tolist() == [1.0] * group
            for value in gate[row, group:].tolist():
                assert value == (hashed((owner * new + channel) % 2**32) < int(0.2 * 2**32))
                channel += 1


def test_a_sample_keeps_its_gates_in_any_batch_epoch_and_process() -> None:
    state = torch.get_rng_state()
    alone = tied_gates(torch.tensor([123]), GROUPS, WIDE[0.5], 0.2)
    torch.rand(3)
    together = tied_gates(torch.tensor([7, 123]), GROUPS, WIDE[0.5], 0.2)
    for one, two in zip(alone, together, strict=True):
        assert torch.equal(one[0], two[1])
    torch.set_rng_state(state)
    tied_gates(torch.tensor([123]), GROUPS, WIDE[0.5], 0.2)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    output = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True).stdout
    assert output.strip() == str(torch.cat(together, 1).tolist())


def test_each_new_channel_is_seen_by_the_share_and_independently() -> None:
    new = tied_gates(torch.arange(20_000), (64,), (128,), 0.2)[0][:, 64:].double().numpy()
    assert abs(new.mean() - 0.2) < 4 * np.sqrt(0.16 / new.size)
    # Four deviations of a correlation of independent samples: neither channels nor neighbours share their draws.
    assert np.abs(np.corrcoef(new.T) - np.eye(64)).max() < 5 / np.sqrt(20_000)
    assert abs(np.corrcoef(new[:-1].ravel(), new[1:].ravel())[0, 1]) < 5 / np.sqrt(new.size)


def images() -> ImageSet:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (40, 1, 16, 16), dtype=torch.uint8, generator=generator)
    return ImageSet(pixels, torch.arange(40) % 4, torch.arange(40), Pipeline((0.5,), (0.3,), 0, False), generator, 20)


@pytest.mark.parametrize("shared", [0.25, 0.5, 0.9])
def test_what_is_left_is_the_trained_expansion_without_its_new_channels(shared: float) -> None:
    torch.manual_seed(0)
    model = ResNet9(4, 1, width=0.1, capacity=shared)
    own = model.groups
    expanded = train(model, images(), replace(RECIPE, shared=shared))
    assert isinstance(expanded, ResNet9)
    assert model.groups == own
    assert expanded.groups == tuple(round(group / shared) for group in own)
    for name, tensor in model.corner_of(expanded).items():  # the statistics of BatchNorm are those of the training too
        assert torch.equal(tensor, model.state_dict()[name]), name
    batch = next(images().batches(shuffle=False))
    dropped = [
        (torch.arange(after) < before).float().expand(20, -1)
        for before, after in zip(own, expanded.groups, strict=True)
    ]
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(batch.images), expanded.eval()(batch.images, dropped))


def test_training_moves_the_channels_that_its_samples_see(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_the_first_new(owners: Tensor, groups: Sequence[int], wide: Sequence[int], share: float) -> list[Tensor]:
        return [
            (torch.arange(n) <= before).float().expand(len(owners), -1) for before, n in zip(groups, wide, strict=True)
        ]

    torch.manual_seed(7)
    before = ResNet9(4, 1, width=0.1, capacity=0.5).expanded()
    monkeypatch.setattr("unlearnbench.models.training.tied_gates", only_the_first_new)
    torch.manual_seed(7)
    model = ResNet9(4, 1, width=0.1, capacity=0.5)
    after = train(model, images(), replace(RECIPE, weight_decay=0.0))
    assert after is not None
    moved = (after.get_parameter("linear.weight") != before.get_parameter("linear.weight")).any(dim=0)
    last = model.groups[-1]
    assert moved.tolist() == [True] * (last + 1) + [False] * (last - 1)


def test_the_statistics_are_those_of_the_last_training_batches() -> None:
    """Nothing is run after the last step: the running mean follows from the batches that were trained on."""
    torch.manual_seed(0)
    model = ResNet9(4, 1, width=0.1)
    train(model, images(), replace(RECIPE, peak_learning_rate=1e-30, weight_decay=0.0))
    assert model.get_buffer("conv1.norm.num_batches_tracked") == RECIPE.steps
    mean = torch.zeros(model.groups[0])
    with torch.no_grad():
        for batch in images().batches(RECIPE.steps):
            mean = 0.9 * mean + 0.1 * model.conv1.conv(batch.images).mean((0, 2, 3))
    torch.testing.assert_close(model.get_buffer("conv1.norm.running_mean"), mean, rtol=1e-3, atol=1e-4)


def test_standard_training_has_no_expansion_and_tied_dropout_is_deterministic() -> None:
    def trained() -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        model = ResNet9(4, 1, width=0.1)
        train(model, images(), RECIPE)
        return model.state_dict()

    first, second = trained(), trained()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    torch.manual_seed(3)
    assert train(ResNet9(4, 1, width=0.1), images(), Recipe(2, 20, 0.05)) is None


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_nothing_or_all(share: float) -> None:
    gate = tied_gates(torch.arange(5), (8,), (16,), share)[0]
    assert torch.equal(gate[:, 8:], torch.full((5, 8), share))
