"""ResNet-18 with the usual stem for small images (He et al., arXiv 1512.03385; docs/protocol.md, section 4).

    3 -> 64 k3 | two blocks of 64 | two of 128, /2 | two of 256, /2 | two of 512, /2 | global mean | linear -> classes

The stem has a 3x3 convolution instead of one of 7x7 with stride 2, and no max pooling. With 3 colour channels, 10
classes and width 1, the model has 11,173,962 parameters at capacity 1. Layers have torchvision's names, so its weights
are those of torchvision's `resnet18` whose `conv1` was replaced and whose `maxpool` was removed.

`capacity` is the fraction of the channels after the stem and after every block that are active. As in ResNet-9, the
channels between the two convolutions of a block belong to no group, and are all present at every capacity.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from unlearnbench.contract.classifier import Classifier, channels_last

# Channels of the four gated groups: stem, layer1 | layer2 | layer3 | layer4.
GROUPS = (64, 128, 256, 512)


class Shortcut(nn.Conv2d):
    """A 1x1 convolution with a stride, computed as one without on the pixels that it keeps.

    The result is the same. oneDNN's own writes past its buffer if there are fewer channels than fill a register, and
    then crashes or gives wrong gradients (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.stride
        return functional.conv2d(channels_last(x[:, :, ::rows, ::columns]), self.weight)


class Block(nn.Module):
    """Two convolutions with a shortcut, which is a 1x1 convolution if the block halves the image."""

    def __init__(self, inputs: int, inside: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = nn.Sequential(Shortcut(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        inside = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inside)) + self.downsample(x))


class ResNet18(Classifier):
    """The architecture `resnet18`.

    Args:
        classes: number of logits.
        channels: colour channels of an image.
        image_size: not used; the model fits images of every size.
        width: factor on the number of channels of all layers.
        capacity: fraction of the channels of each group that are active, in (0, 1].
        groups: channels of the four groups of an expanded model. Computed from width and capacity by default.
    """

    def __init__(
        self,
        classes: int,
        channels: int,
        image_size: int,
        width: float = 1.0,
        capacity: float = 1.0,
        groups: tuple[int, ...] | None = None,
    ):
        super().__init__()
        self.options = (classes, channels, image_size, width, capacity)
        self.groups = groups or tuple(max(1, round(group * width * capacity)) for group in GROUPS)
        self.conv1 = nn.Conv2d(channels, self.groups[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(self.groups[0])
        before = self.groups[0]
        for number, (group, outputs) in enumerate(zip(GROUPS, self.groups, strict=True), 1):
            inside = max(1, round(group * width))
            first = Block(before, inside, outputs, stride=1 if number == 1 else 2)
            setattr(self, f"layer{number}", nn.Sequential(first, Block(outputs, inside, outputs, stride=1)))
            before = outputs
        self.fc = nn.Linear(before, classes)

    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        def gate(x: Tensor, group: int) -> Tensor:
            return x if gates is None else x * gates[group].to(x.dtype)[:, :, None, None]

        x = gate(functional.relu(self.bn1(self.conv1(channels_last(images)))), 0)  # [B, 64, S, S]
        for group in range(len(GROUPS)):
            for block in self.get_submodule(f"layer{group + 1}").children():
                x = gate(block(x), group)  # [B, 64 | 128 | 256 | 512, S / (1 | 2 | 4 | 8)]
        logits: Tensor = self.fc(x.mean(dim=(2, 3))).float()  # [B, classes]
        return logits

    def widened(self, shared: float = 0.5) -> ResNet18:
        return ResNet18(*self.options, groups=self.widened_groups(shared))
