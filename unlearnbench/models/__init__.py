"""The architectures, and how originals are trained."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from unlearnbench.contract.classifier import Classifier
from unlearnbench.errors import UsageError
from unlearnbench.problems.registry import ARCHITECTURES

TORCHVISION = "torchvision:"
"""Before the name of an architecture: torchvision's model of this name. Suites do not have these."""


@dataclass(frozen=True)
class ModelSpec:
    """An architecture, its size, and the shape of its inputs and outputs.

    Attributes:
        width: factor on the number of channels of all layers.
        capacity: fraction of the channels that are active, in (0, 1].
        classes: number of logits.
        channels: colour channels of an image.
        image_size: side of an image in pixels. Not used by ResNets.
    """

    architecture: str
    width: float
    capacity: float
    classes: int
    channels: int
    image_size: int


def build(spec: ModelSpec) -> Classifier:
    """Build a model with weights drawn from the global generator.

    Below full capacity, the weights are cut from a full-capacity model drawn with the same seed. This matches the
    published code, where inactive channels still count towards the fan-in of a layer. Weights initialised for the
    smaller model would be larger, by a factor of 1.4 at half capacity.

    Biases of convolutions are initialised to 0, as in the code of Goel et al. (`initialize_weights` in src/utils.py)
    and of REM. All other parameters use the default initialisation of their layer.

    Raises:
        UsageError: the architecture is unknown, or does not support this image size.
    """
    architecture = _find(spec.architecture)

    def drawn(capacity: float) -> Classifier:
        model = architecture(spec.classes, spec.channels, spec.image_size, spec.width, capacity)
        if not isinstance(model, Classifier):
            raise UsageError(f"architecture '{spec.architecture}' must give a Classifier, not {type(model).__name__}")
        return model

    whole = drawn(1.0)
    for layer in whole.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if spec.capacity == 1:
        return whole
    with torch.random.fork_rng(devices=[]):  # these weights are overwritten, so they must not advance the generator
        model = drawn(spec.capacity)
    model.load_state_dict(model.corner_of(whole))
    return model


def _find(name: str) -> Callable[[int, int, int, float, float], object]:
    if not name.startswith(TORCHVISION):
        found: Callable[[int, int, int, float, float], object] = ARCHITECTURES.find(name)
        return found
    from unlearnbench.models.from_torchvision import find  # slow to import, and few need it

    return find(name.removeprefix(TORCHVISION))
