"""Models and training: torch code that is read from top to bottom."""

from unlearnbench.method import Classifier
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.vit import ViT
from unlearnbench.models.vit_small import ViTSmall


def build(
    architecture: str, *, classes: int, channels: int, image_size: int, width: float, capacity: float
) -> Classifier:
    """A freshly initialised model, its weights drawn from the global generator.

    Args:
        channels: colour channels of an image.
        image_size: side of an image; ResNet-9 takes any.

    Raises:
        UsageError: an image size that the architecture cannot take.
    """
    if architecture == "vit":
        return ViT(classes, channels, image_size, width, capacity)
    if architecture == "vit-small":
        return ViTSmall(classes, channels, image_size, width, capacity)
    return ResNet9(classes, channels, width, capacity)
