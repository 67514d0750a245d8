"""A small vision transformer: torchvision's, for 32x32 images in 4x4 patches (docs/protocol.md, section 4).

    4x4 patches -> 192 | + class token, positions | 6 x (3 heads of attention, MLP 192 -> 768 -> 192) | linear

2,693,578 parameters at width 1, capacity 1, 3 colour channels, 32x32 images and 10 classes. No dropout. LayerNorm
instead of BatchNorm: there are no running statistics. It is one of this project, without published numbers; the
published one is in vit.py.

`capacity` is the active share of the MLP channels of every block, where a transformer keeps what it memorises; they
are also what gates open and close, for a sample in all of its tokens, and what `widened` adds to.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.vision_transformer import VisionTransformer

from unlearnbench.contract.classifier import Classifier
from unlearnbench.errors import UsageError

PATCH, BLOCKS, HEADS, HEAD_WIDTH, MLP_RATIO = 4, 6, 3, 64, 4


class ViTSmall(Classifier):
    """The classifier of every suite whose architecture is `vit-small`.

    Args:
        classes: number of logits.
        channels: colour channels of an image.
        image_size: side of an image, a multiple of 4.
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
                f"a vit-small cuts images into patches of {PATCH}x{PATCH}: image_size must be a multiple of {PATCH},"
                f" not {image_size}"
            )
        self.options = (classes, channels, image_size, width, capacity)
        dim = HEADS * max(1, round(HEAD_WIDTH * width))
        self.groups = groups or (max(1, round(MLP_RATIO * dim * capacity)),) * BLOCKS  # all alike
        self.vit = VisionTransformer(image_size, PATCH, BLOCKS, HEADS, dim, self.groups[0], num_classes=classes)
        # torchvision's takes colour images only; a first layer of its own kind for any number of channels
        self.vit.conv_proj = torch.nn.Conv2d(channels, dim, PATCH, PATCH)
        torch.nn.init.trunc_normal_(self.vit.conv_proj.weight, std=(channels * PATCH**2) ** -0.5)
        torch.nn.init.zeros_(self.vit.conv_proj.bias)
        torch.nn.init.trunc_normal_(self.vit.heads.head.weight, std=0.02)  # torchvision's zeros would stay gated shut

    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        x = self.vit.conv_proj(images).flatten(2).transpose(1, 2)  # [B, patches, dim]
        x = torch.cat([self.vit.class_token.expand(len(x), -1, -1), x], dim=1) + self.vit.encoder.pos_embedding
        for index, block in enumerate(self.vit.encoder.layers):
            normal = block.ln_1(x)
            x = x + block.self_attention(normal, normal, normal, need_weights=False)[0]
            inner, activation, _, outer, _ = block.mlp
            hidden = activation(inner(block.ln_2(x)))  # [B, 1 + patches, MLP channels]
            if gates is not None:
                hidden = hidden * gates[index].to(hidden.dtype)[:, None, :]
            x = x + outer(hidden)
        logits: Tensor = self.vit.heads(self.vit.encoder.ln(x)[:, 0]).float()  # [B, classes]
        return logits

    def widened(self, shared: float = 0.5) -> ViTSmall:
        return ViTSmall(*self.options, groups=self.widened_groups(shared))
