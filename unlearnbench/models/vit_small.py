"""A small vision transformer based on torchvision's, with 4x4 patches for 32x32 images (docs/protocol.md, section 4).

    4x4 patches -> 192 | + class token, positions | 6 x (3 heads of attention, MLP 192 -> 768 -> 192) | linear

2,693,578 parameters at width 1, capacity 1, 3 colour channels, 32x32 images and 10 classes. No dropout. LayerNorm
instead of BatchNorm, so there are no running statistics. This model was designed for this project and has no published
results. The published one is in vit.py.

`capacity` is the fraction of the MLP channels of every block that are active, since transformers memorise in their
MLPs. Gates act on the same channels, equally in all tokens of a sample, and `widened` adds channels there.
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
    """The architecture `vit-small`.

    Args:
        classes: number of logits.
        channels: colour channels of an image.
        image_size: side of an image in pixels, a multiple of 4.
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
                f"a vit-small splits images into patches of {PATCH}x{PATCH}: image_size must be a multiple of {PATCH},"
                f" not {image_size}"
            )
        self.options = (classes, channels, image_size, width, capacity)
        dim = HEADS * max(1, round(HEAD_WIDTH * width))
        self.groups = groups or (max(1, round(MLP_RATIO * dim * capacity)),) * BLOCKS  # the same in every block
        self.vit = VisionTransformer(image_size, PATCH, BLOCKS, HEADS, dim, self.groups[0], num_classes=classes)
        # torchvision supports 3 colour channels only. Replace its first layer, with the same initialisation.
        self.vit.conv_proj = torch.nn.Conv2d(channels, dim, PATCH, PATCH)
        torch.nn.init.trunc_normal_(self.vit.conv_proj.weight, std=(channels * PATCH**2) ** -0.5)
        torch.nn.init.zeros_(self.vit.conv_proj.bias)
        torch.nn.init.trunc_normal_(self.vit.heads.head.weight, std=0.02)  # its zeros would block the first gradient
        self.blocks = list(self.vit.encoder.layers)  # a list registers nothing: the layers keep their one name

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
