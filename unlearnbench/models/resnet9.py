"""ResNet-9 (Goel et al., "Corrective Machine Unlearning"; protocol section 4).

    3 -> 64 k3 | 64 -> 128 k5 /2 | + two 128 k3 | 128 -> 256 k3, pool 2 | + two 256 k3 | 256 -> 128 k3 unpadded
    global max pool | linear 128 -> classes, no bias

Every convolution is followed by BatchNorm and CELU(0.075). 2,276,224 parameters at width 1, capacity 1,
3 colour channels and 10 classes; works on square images of 16x16 and larger.

`capacity` is the paper's knob: at 0.5 half of the channels of every block are active and the other half is free. A
channel that is never active adds nothing to any sum, so the 50% model simply does not hold it; `expanded` adds the
free half back (REM does, to redirect corruption into it).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from unlearnbench.method import Classifier

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
        width: factor on the channels of all groups, before `capacity`.
        capacity: active share of those channels, in (0, 1].
        times: a whole factor after rounding, so that an expanded model has exactly twice the channels.
    """

    def __init__(self, classes: int, channels: int = 3, width: float = 1.0, capacity: float = 1.0, times: int = 1):
        super().__init__()
        self.options = (classes, channels, width, capacity)
        self.times = times
        self.groups = tuple(times * max(1, round(group * width * capacity)) for group in GROUPS)
        a, b, c, d = self.groups
        self.conv1 = Block(channels, a)
        self.conv2 = Block(a, b, kernel=5, stride=2, padding=2)
        self.res1 = nn.Sequential(Block(b, b), Block(b, b))
        self.conv3 = Block(b, c)
        self.res2 = nn.Sequential(Block(c, c), Block(c, c))
        self.conv4 = Block(c, d, padding=0)
        self.linear = nn.Linear(d, classes, bias=False)

    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        def gate(x: Tensor, group: int) -> Tensor:
            return x if gates is None else x * gates[group].to(x.dtype)[:, :, None, None]

        def residual(x: Tensor, blocks: nn.Sequential, group: int) -> Tensor:
            # The channel between the two blocks is gated as well: a closed channel must carry nothing anywhere.
            return gate(x + blocks[1](gate(blocks[0](x), group)), group)

        x = gate(self.conv1(images), 0)  # [B, a, S, S]
        x = gate(self.conv2(x), 1)  # [B, b, S/2, S/2]
        x = residual(x, self.res1, 1)
        x = gate(functional.max_pool2d(self.conv3(x), 2), 2)  # [B, c, S/4, S/4]
        x = residual(x, self.res2, 2)
        x = gate(self.conv4(x), 3)  # [B, d, S/4 - 2, S/4 - 2]
        x = x.amax(dim=(2, 3))  # [B, d]
        logits: Tensor = self.linear(x).float()  # [B, classes]
        return logits

    def widened(self) -> ResNet9:
        return ResNet9(*self.options, times=2 * self.times)
