"""ResNet-9 (Goel et al., "Corrective Machine Unlearning"; docs/protocol.md, section 4).

    3 -> 64 k3 | 64 -> 128 k5 /2 | + two 128 k3 | 128 -> 256 k3, pool 2 | + two 256 k3 | 256 -> 128 k3 unpadded
    global max pool | linear 128 -> classes, no bias

Every convolution is followed by BatchNorm and CELU(0.075). Inputs are square images of at least 16x16 pixels. With
3 colour channels, 10 classes and width 1, the model has 2,276,224 parameters at capacity 1, and 940,032 at 0.5.

`capacity` is the fraction of the channels after every block that are active, as in the REM paper. Inactive channels
contribute nothing, so they are not allocated. `expanded` adds them back, which REM uses to redirect corruption into
them. As published, only the outputs of blocks are gated: channels between the two convolutions of a residual block
belong to no group, and are all present at every capacity.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from unlearnbench.contract.classifier import Classifier, channels_last

# Channels of the four gated groups: conv1 | conv2, res1 | conv3, res2 | conv4.
GROUPS = (64, 128, 256, 128)


class Block(nn.Module):
    """Convolution, BatchNorm, CELU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.celu(self.norm(self.conv(x)), alpha=0.075)


class ResNet9(Classifier):
    """The architecture `resnet9`.

    Args:
        classes: number of logits.
        channels: colour channels of an image (1 or 3).
        width: factor on the number of channels of all groups (before `capacity`) and inside residual blocks.
        capacity: fraction of the channels of each group that are active, in (0, 1].
        groups: channels of the four groups of an expanded model. Computed from width and capacity by default.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 3,
        width: float = 1.0,
        capacity: float = 1.0,
        groups: tuple[int, ...] | None = None,
    ):
        super().__init__()
        self.options = (classes, channels, width, capacity)
        self.groups = groups or tuple(max(1, round(group * width * capacity)) for group in GROUPS)
        a, b, c, d = self.groups
        inside1, inside2 = (max(1, round(group * width)) for group in GROUPS[1:3])
        self.conv1 = Block(channels, a)
        self.conv2 = Block(a, b, kernel=5, stride=2, padding=2)
        self.res1 = nn.Sequential(Block(b, inside1), Block(inside1, b))
        self.conv3 = Block(b, c)
        self.res2 = nn.Sequential(Block(c, inside2), Block(inside2, c))
        self.conv4 = Block(c, d, padding=0)
        self.linear = nn.Linear(d, classes, bias=False)

    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        def gate(x: Tensor, group: int) -> Tensor:
            return x if gates is None else x * gates[group].to(x.dtype)[:, :, None, None]

        x = gate(self.conv1(channels_last(images)), 0)  # [B, a, S, S]
        x = gate(self.conv2(x), 1)  # [B, b, S/2, S/2]
        x = gate(x + self.res1(x), 1)
        x = gate(functional.max_pool2d(self.conv3(x), 2), 2)  # [B, c, S/4, S/4]
        x = gate(x + self.res2(x), 2)
        x = gate(self.conv4(x), 3)  # [B, d, S/4 - 2, S/4 - 2]
        x = x.amax(dim=(2, 3))  # [B, d]
        logits: Tensor = self.linear(x).float()  # [B, classes]
        return logits

    def widened(self, shared: float = 0.5) -> ResNet9:
        return ResNet9(*self.options, groups=self.widened_groups(shared))


def resnet9(classes: int, channels: int, image_size: int, width: float, capacity: float) -> ResNet9:
    """ResNet-9 with the arguments of all architectures. It fits images of every size."""
    return ResNet9(classes, channels, width, capacity)
