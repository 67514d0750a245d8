"""torchvision's classifiers: they can be repaired, but their channels cannot be gated, and none can be added."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn
from torchvision import models

from unlearnbench.contract.classifier import Classifier
from unlearnbench.errors import UsageError

NET = "net."
"""What precedes torchvision's names of weights in those of `FromTorchvision`."""


class FromTorchvision(Classifier):
    """The architectures `torchvision:NAME`, with the arguments of all architectures after the name.

    Raises:
        UsageError: the model does not end in a linear layer, or not 3 colour channels are wanted.
    """

    groups = ()

    def __init__(self, name: str, classes: int, channels: int, image_size: int, width: float, capacity: float):
        super().__init__()
        self.name = name
        if channels != 3:
            raise UsageError(f"torchvision's {name} takes images with 3 colour channels, not {channels}")
        self.net: nn.Module = models.get_model(name, weights=None, num_classes=classes)
        linear = [module for module in self.net.modules() if isinstance(module, nn.Linear)]
        if not linear or linear[-1].out_features != classes:
            raise UsageError(f"torchvision's {name} does not end in a linear layer, which methods need")
        self.blocks = [child for child in self.net.children() if linear[-1] not in child.modules()]

    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        if gates is not None:
            raise UsageError(f"torchvision's {self.name} has no channels that can be gated")
        logits: Any = self.net(images)
        if not isinstance(logits, Tensor):  # in training mode some add the logits of auxiliary heads
            logits = logits[0]
        result: Tensor = logits.float()
        return result

    def widened(self, shared: float = 0.5) -> FromTorchvision:
        raise UsageError(f"torchvision's {self.name} cannot be expanded")


def names() -> list[str]:
    """torchvision's classifiers."""
    return list(models.list_models(module=models))


def find(name: str) -> partial[FromTorchvision]:
    return partial(FromTorchvision, name)


def inputs_of(name: str) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """The image size of torchvision's own weights of a model, and the mean and deviation of their inputs."""
    own: Any = models.get_model_weights(name)
    preset = own.DEFAULT.transforms()
    return int(preset.crop_size[0]), tuple(preset.mean), tuple(preset.std)
