"""The published vision transformer: shifted patches and locality self-attention (docs/protocol.md, section 4).

    8x8 patches of the image and of 4 shifted copies -> 512 | + class token, positions
    4 x (8 heads of attention, MLP 512 -> 1536 -> 512) | linear

11,013,518 parameters at width 1, capacity 1, 3 colour channels, 32x32 images and 10 classes. Shifted patch tokenization
and locality self-attention are those of Lee et al., "Vision Transformer for Small-Size Datasets" (arXiv 2112.13492).
LayerNorm stands before the patches' projection, before each attention and MLP, and before the head.

It is what the REM paper's code trains on SVHN: the class VitClass of its resnet.py, which has it from lucidrains'
vit-pytorch (vit_for_small_dataset.py). From there are: 8 heads of 64 and an MLP of 1536 (16 heads and an MLP of 512 are
11.01 million parameters as well); the class token, not a mean, goes into the head; dropout everywhere at 0, so there is
none here; one temperature a block, learnt as a logarithm, for all heads; positions and class token drawn from the
standard normal distribution; biases that start at 0. Copies are shifted by one pixel to the four sides, while those of
Lee et al. are shifted by half a patch along the diagonals.

`capacity` is the active share of the MLP channels of every block, where a transformer keeps what it memorises; they
are also what gates open and close, for a sample in all of its tokens, and what `widened` adds to. In this the released
code is not followed: it masks tokens, after every attention and every MLP. At 50% the class token and the first 7
patches stay; the other 9 of 17 tokens are zeros.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnbench.contract.classifier import Classifier
from unlearnbench.errors import UsageError

PATCH, BLOCKS, HEADS, HEAD_WIDTH, MLP_RATIO = 8, 4, 8, 64, 3
SHIFTS = ((1, 0), (-1, 0), (0, 1), (0, -1))  # pixels to the right and down; what is uncovered is 0


class Block(nn.Module):
    """Locality self-attention, then an MLP, each on normalised tokens and with a shortcut around it."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.temperature = nn.Parameter(torch.tensor(-math.log(dim / HEADS) / 2))  # 1 / sqrt(head width) at first
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.merge = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.inner = nn.Linear(dim, hidden)
        self.outer = nn.Linear(hidden, dim)

    def forward(self, x: Tensor, gate: Tensor | None) -> Tensor:
        heads = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, -1))  # [B, T, 3, heads, head width]
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each [B, heads, T, head width]
        scores = query @ key.transpose(2, 3) * self.temperature.exp()  # [B, heads, T, T]
        itself = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)  # no token attends to itself
        weights = scores.masked_fill(itself, -math.inf).softmax(dim=3)
        x = x + self.merge((weights @ value).transpose(1, 2).flatten(2))  # [B, T, dim]
        hidden = functional.gelu(self.inner(self.norm2(x)))  # [B, T, MLP channels]
        if gate is not None:
            hidden = hidden * gate.to(hidden.dtype)[:, None, :]
        merged: Tensor = x + self.outer(hidden)
        return merged


class ViT(Classifier):
    """The classifier of every suite whose architecture is `vit`.

    Args:
        classes: number of logits.
        channels: colour channels of an image.
        image_size: side of an image, a multiple of 8.
        width: factor on the width of the heads, and so on that of all layers.
        capacity: active share of the MLP channels, in (0, 1].
        groups: MLP channels of the blocks, of an expanded model; by default those of width and capacity.

    Raises:
        UsageError: an image size that is no multiple of the patch.
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
        if image_size % PATCH:
            raise UsageError(
                f"a vit cuts images into patches of {PATCH}x{PATCH}: image_size must be a multiple of {PATCH},"
                f" not {image_size}"
            )
        self.options = (classes, channels, image_size, width, capacity)
        dim = HEADS * max(1, round(HEAD_WIDTH * width))
        self.groups = groups or (max(1, round(MLP_RATIO * dim * capacity)),) * BLOCKS
        pixels = (1 + len(SHIFTS)) * channels * PATCH**2
        self.patches = nn.Sequential(nn.LayerNorm(pixels), nn.Linear(pixels, dim))
        self.token = nn.Parameter(torch.randn(1, dim))
        self.positions = nn.Parameter(torch.randn(1 + (image_size // PATCH) ** 2, dim))
        self.blocks = nn.ModuleList(Block(dim, hidden) for hidden in self.groups)
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, classes)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        count, _, size, _ = images.shape
        shifted = [functional.pad(images, (right, -right, down, -down)) for right, down in SHIFTS]
        x = torch.cat([images, *shifted], dim=1)  # [B, 5 C, S, S]
        x = x.unflatten(3, (size // PATCH, PATCH)).unflatten(2, (size // PATCH, PATCH))  # [B, 5 C, rows, 8, columns, 8]
        x = x.permute(0, 2, 4, 1, 3, 5).reshape(count, (size // PATCH) ** 2, -1)  # [B, patches, 5 C x 8 x 8]
        x = torch.cat([self.token.expand(count, 1, -1), self.patches(x)], dim=1) + self.positions  # [B, T, dim]
        for index, block in enumerate(self.blocks):
            x = block(x, None if gates is None else gates[index])
        logits: Tensor = self.linear(self.norm(x[:, 0])).float()  # [B, classes]
        return logits

    def widened(self, shared: float = 0.5) -> ViT:
        return ViT(*self.options, groups=self.widened_groups(shared))
