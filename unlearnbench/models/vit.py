"""The published vision transformer: shifted patches and locality self-attention (docs/protocol.md, section 4).

    8x8 patches of the image and of 4 shifted copies -> 512 | + class token, positions
    4 x (8 heads of attention, MLP 512 -> 1536 -> 512) | linear

11,013,518 parameters at width 1, capacity 1, 3 colour channels, 32x32 images and 10 classes. Shifted patch tokenization
and locality self-attention follow Lee et al., "Vision Transformer for Small-Size Datasets" (arXiv 2112.13492).
LayerNorm is applied before the patch projection, before each attention and MLP, and before the head.

The REM paper's code trains this model on SVHN: class VitClass in its resnet.py, adapted from lucidrains' vit-pytorch
(vit_for_small_dataset.py). This implementation follows that code:

- 8 heads of width 64 and MLPs of width 1536 (16 heads and MLPs of 512 also give 11.01 million parameters);
- the head reads the class token, not the mean of all tokens;
- no dropout, since all dropout rates in that code are 0;
- one temperature per block, shared by all heads and learnt as a logarithm;
- positions and class token initialised from the standard normal distribution, biases to 0;
- copies shifted by one pixel in the four axis directions. Lee et al. shift by half a patch along the diagonals.

`capacity` is the fraction of the MLP channels of every block that are active, since transformers memorise in their
MLPs. Gates act on the same channels, equally in all tokens of a sample, and `widened` adds channels there. The released
code differs: it masks tokens, after every attention and every MLP. At 50%, it keeps the class token and the first 7
patches, and sets the other 9 of the 17 tokens to zero.
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
SHIFTS = ((1, 0), (-1, 0), (0, 1), (0, -1))  # pixels to the right and down, padded with 0


class Block(nn.Module):
    """Locality self-attention followed by an MLP, both pre-norm with residual connections."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.temperature = nn.Parameter(torch.tensor(-math.log(dim / HEADS) / 2))  # exp: 1 / sqrt(head width)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.merge = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.inner = nn.Linear(dim, hidden)
        self.outer = nn.Linear(hidden, dim)

    def forward(self, x: Tensor, gate: Tensor | None) -> Tensor:
        heads = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, -1))  # [B, T, 3, heads, head width]
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each [B, heads, T, head width]
        scores = query @ key.transpose(2, 3) * self.temperature.exp()  # [B, heads, T, T]
        itself = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)  # tokens do not attend to themselves
        weights = scores.masked_fill(itself, -math.inf).softmax(dim=3)
        x = x + self.merge((weights @ value).transpose(1, 2).flatten(2))  # [B, T, dim]
        hidden = functional.gelu(self.inner(self.norm2(x)))  # [B, T, MLP channels]
        if gate is not None:
            hidden = hidden * gate.to(hidden.dtype)[:, None, :]
        merged: Tensor = x + self.outer(hidden)
        return merged


class ViT(Classifier):
    """The architecture `vit`.

    Args:
        classes: number of logits.
        channels: colour channels of an image.
        image_size: side of an image in pixels, a multiple of 8.
        width: factor on the width of the heads, and therefore of all layers.
        capacity: fraction of the MLP channels that are active, in (0, 1].
        groups: MLP channels of each block of an expanded model. Computed from width and capacity by default.

    Raises:
        UsageError: the image size is not a multiple of the patch size.
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
                f"a vit splits images into patches of {PATCH}x{PATCH}: image_size must be a multiple of {PATCH},"
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
