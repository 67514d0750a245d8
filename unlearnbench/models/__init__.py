"""Models and training: torch code that is read from top to bottom."""

from dataclasses import dataclass

import torch
from torch import nn

from unlearnbench.contract.classifier import Classifier
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.vit import ViT


@dataclass(frozen=True)
class ModelSpec:
    """Which model: an architecture at a width, its active share of channels, and what its data are like.

    Attributes:
        width: a factor on all channels.
        capacity: active share of the channels, in (0, 1].
        channels: colour channels of an image.
        image_size: side of an image in pixels; ResNet-9 takes any.
    """

    architecture: str
    width: float
    capacity: float
    classes: int
    channels: int
    image_size: int


def build(spec: ModelSpec) -> Classifier:
    """A freshly initialised model, its weights drawn from the global generator.

    With less than the whole capacity it is the first part of a whole model, which alone is drawn: as published, where a
    channel that is off still counts among a layer's inputs. Drawn on its own it would have larger weights, by a factor
    of 1.4 at half of the capacity. The first part of the whole model that the same seed draws is this one.

    Biases of convolutions start at 0, as in Goel's code (`initialize_weights` in src/utils.py) and in REM's;
    all else as its layer draws it.

    Raises:
        UsageError: an image size that the architecture cannot take.
    """

    def drawn(capacity: float) -> Classifier:
        if spec.architecture == "vit":
            return ViT(spec.classes, spec.channels, spec.image_size, spec.width, capacity)
        if spec.architecture == "vit-small":
            from unlearnbench.models.vit_small import ViTSmall  # brings torchvision, 160 MB that others do without

            return ViTSmall(spec.classes, spec.channels, spec.image_size, spec.width, capacity)
        return ResNet9(spec.classes, spec.channels, spec.width, capacity)

    whole = drawn(1.0)
    for layer in whole.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if spec.capacity == 1:
        return whole
    with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten
        model = drawn(spec.capacity)
    model.load_state_dict(model.corner_of(whole))
    return model
