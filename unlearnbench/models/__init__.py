"""Models and training: torch code that is read from top to bottom."""

from unlearnbench.method import Classifier
from unlearnbench.models.resnet9 import ResNet9


def build(architecture: str, *, classes: int, channels: int, width: float, capacity: float) -> Classifier:
    """A freshly initialised model, its weights drawn from the global generator."""
    return {"resnet9": ResNet9}[architecture](classes, channels, width, capacity)
