"""Example-tied dropout: whose channels a sample sees depends on its index alone, and what is dropped is gone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from unlearnbench.method import ImageSet, Pipeline, Recipe, tied_gates
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.training import train

GROUPS = (4, 8, 16, 8)
RECIPE = Recipe(steps=6, batch_size=20, peak_learning_rate=0.05, tied_dropout=0.2)
SHOW = """import torch
from unlearnbench.method import tied_gates
print(torch.cat(tied_gates(torch.tensor([7, 123]), (4, 8, 16, 8), 0.2), 1).tolist())"""


def hashed(key: int) -> int:
    """An independent reading of the hash: two rounds of xor-shift and multiplication, modulo 2**32."""
    for _ in range(2):
        key = ((key >> 16) ^ key) * 0x45D9F3B % 2**32
    return (key >> 16) ^ key


def test_the_gates_of_a_sample_by_hand() -> None:
    owners = torch.tensor([0, 5, 49_999])
    gates = tied_gates(owners, GROUPS, 0.2)
    assert [gate.shape for gate in gates] == [(3, 8), (3, 16), (3, 32), (3, 16)]
    for row, owner in enumerate(owners.tolist()):
        channel = 0
        for group, gate in zip(GROUPS, gates, strict=True):
            assert gate[row, :group].tolist() == [1.0] * group
            for column in range(group):
                expected = hashed((owner * sum(GROUPS) + channel) % 2**32) < int(0.2 * 2**32)
                assert gate[row, group + column] == expected
                channel += 1


def test_a_sample_keeps_its_gates_in_any_batch_epoch_and_process() -> None:
    state = torch.get_rng_state()
    alone = tied_gates(torch.tensor([123]), GROUPS, 0.2)
    torch.rand(3)
    together = tied_gates(torch.tensor([7, 123]), GROUPS, 0.2)
    for one, two in zip(alone, together, strict=True):
        assert torch.equal(one[0], two[1])
    torch.set_rng_state(state)
    tied_gates(torch.tensor([123]), GROUPS, 0.2)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    output = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True).stdout
    assert output.strip() == str(torch.cat(together, 1).tolist())


def test_each_new_channel_is_seen_by_the_share_and_independently() -> None:
    new = tied_gates(torch.arange(20_000), (64,), 0.2)[0][:, 64:].double().numpy()
    assert abs(new.mean() - 0.2) < 4 * np.sqrt(0.16 / new.size)
    # Four deviations of a correlation of independent samples: neither channels nor neighbours share their draws.
    assert np.abs(np.corrcoef(new.T) - np.eye(64)).max() < 5 / np.sqrt(20_000)
    assert abs(np.corrcoef(new[:-1].ravel(), new[1:].ravel())[0, 1]) < 5 / np.sqrt(new.size)


def images() -> ImageSet:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (40, 1, 16, 16), dtype=torch.uint8, generator=generator)
    return ImageSet(pixels, torch.arange(40) % 4, torch.arange(40), Pipeline((0.5,), (0.3,), 0, False), generator, 20)


def test_training_moves_a_sample_s_own_channels_and_the_result_is_what_is_left_of_them() -> None:
    torch.manual_seed(0)
    model = ResNet9(4, 1, width=0.1)
    expanded = train(model, images(), RECIPE)
    assert isinstance(expanded, ResNet9)
    corner = model.corner_of(expanded)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, corner[name]), name
    batch = next(images().batches(shuffle=False))
    dropped = [torch.cat([torch.ones(20, group), torch.zeros(20, group)], dim=1) for group in model.groups]
    own = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.eval()
    # The same weights with the statistics of the training: running the expansion with its memory dropped.
    masked = {name: tensor for name, tensor in corner.items() if name in own}
    model.load_state_dict({**model.state_dict(), **masked})
    with torch.no_grad():
        torch.testing.assert_close(model(batch.images), expanded.eval()(batch.images, dropped))
    assert not torch.equal(own["conv2.norm.running_mean"], masked["conv2.norm.running_mean"]), "collected anew"


def test_the_statistics_are_those_of_the_dropped_model() -> None:
    torch.manual_seed(0)
    model = ResNet9(4, 1, width=0.1)
    train(model, images(), RECIPE)
    with torch.no_grad():
        batches = [batch.images for batch in images().batches(shuffle=False, batch_size=20)]
        first = [model.conv1.conv(batch) for batch in batches]
    expected = torch.stack([part.mean((0, 2, 3)) for part in first]).mean(0)
    torch.testing.assert_close(model.conv1.norm.running_mean, expected, rtol=1e-3, atol=1e-4)


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
    gate = tied_gates(torch.arange(5), (8,), share)[0]
    assert torch.equal(gate[:, 8:], torch.full((5, 8), share))
