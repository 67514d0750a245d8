"""ResNet-9 (Goel et al., "Corrective Machine Unlearning"; docs/protocol.md, section 4).

    3 -> 64 k3 | 64 -> 128 k5 /2 | + two 128 k3 | 128 -> 256 k3, pool 2 | + two 256 k3 | 256 -> 128 k3 unpadded
    global max pool | linear 128 -> classes, no bias

Every convolution is followed by BatchNorm and CELU(0.075). 2,276,224 parameters at width 1, capacity 1,
3 colour channels and 10 classes; works on square images of 16x16 and larger.

`capacity` is the REM paper's knob: at 0.5 half of the channels after every block are active and the other half is free.
A channel that is never active adds nothing to any sum, so the 50% model simply does not hold it; `expanded` adds the
free half back (REM does, to redirect corruption into it). As published, gates stand only after blocks: the channels
between the two convolutions of a residual block belong to no group, and all of them are there at every capacity.
940,032 parameters at width 1, capacity 0.5, 3 colour channels and 10 classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from unlearnbench.contract.classifier import Classifier

# Channels of the four groups that share a gate: conv1 | conv2, res1 | conv3, res2 | conv4.
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
    """The classifier of every suite whose architecture is `resnet9`.

    Args:
        classes: number of logits.
        channels: colour channels of an image (1 or 3).
        width: factor on the channels of all groups, before `capacity`, and on those inside of residual blocks.
        capacity: active share of the groups' channels, in (0, 1].
        groups: channels of the four groups, of an expanded model; by default those of width and capacity.
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

        x = gate(self.conv1(images), 0)  # [B, a, S, S]
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
