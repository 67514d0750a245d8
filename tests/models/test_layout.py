"""Weights and batches are contiguous, as library code expects, and convolutions compute in channels_last anyway."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, prune, vector_to_parameters

from unlearnbench import Classifier, ImageSet, Pipeline
from unlearnbench.models import ModelSpec, build
from unlearnbench.models.resnet9 import ResNet9

CHANNELS = pytest.mark.parametrize("channels", [1, 3])


def images_of(channels: int) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (12, channels, 16, 16), dtype=torch.uint8, generator=generator)
    pipeline = Pipeline((0.5,) * channels, (0.25,) * channels, crop_padding=2, flip=True)
    return ImageSet(images, torch.arange(12) % 3, torch.arange(12), pipeline, generator, batch_size=8)


@CHANNELS
def test_batches_are_contiguous(channels: int) -> None:
    source = images_of(channels)
    found = [batch.images for augment in (True, False) for batch in source.batches(augment=augment)]
    found += [images for augment in (True, False) for images, _ in source.loader(augment=augment)]
    for images in found:
        assert images.is_contiguous()
        assert images.view(len(images), -1).shape == (len(images), channels * 256)


@CHANNELS
@pytest.mark.parametrize("architecture", ["resnet9", "resnet18", "vit", "vit-small"])
def test_library_calls_that_need_contiguous_weights_work(architecture: str, channels: int) -> None:
    torch.manual_seed(0)
    spec = ModelSpec(architecture, classes=3, channels=channels, image_size=16, width=1 / 16, capacity=0.5)
    for model in (build(spec), build(spec).expanded()):
        batch = next(images_of(channels).batches())
        vector = parameters_to_vector(model.parameters())
        vector_to_parameters(vector.detach().clone(), model.parameters())
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.01, max_iter=2)

        def closure(
            model: Classifier = model, images: Tensor = batch.images, optimizer: torch.optim.Optimizer = optimizer
        ) -> Tensor:
            optimizer.zero_grad()
            loss = model(images).square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        assert not torch.equal(parameters_to_vector(model.parameters()), vector)
        for parameter in model.parameters():
            assert parameter.grad is not None
            assert parameter.view(-1).shape == parameter.grad.view(-1).shape
        layers = [(layer, "weight") for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
        prune.global_unstructured(layers, prune.L1Unstructured, amount=0.5)
        assert model(batch.images).shape == (8, 3)


@CHANNELS
def test_convolutions_see_channels_last(channels: int) -> None:
    model, strides = ResNet9(3, channels, 1 / 16), list[tuple[int, ...]]()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda layer, given, result: strides.extend((given[0].stride(), result.stride()))
            )
    images = next(images_of(channels).batches()).images
    model(images).sum().backward()
    assert strides[0] == (256 * channels, 1, 16 * channels, channels)
    assert len(strides) == 16
    assert all(stride[1] == 1 for stride in strides)
