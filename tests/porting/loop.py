"""Foreign code as a benchmark has it: a loop over two loaders of three, on a GPU unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Loader = Iterable[tuple[Tensor, Tensor, Tensor]]


def ascend_and_descend(
    model: nn.Module, retain: Loader, forget: Loader, epochs: int, lr: float, device: Any = "cuda"
) -> None:
    """Each epoch: one pass of gradient ascent on the forget set, one pass of descent on the retain set."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    model.train()
    for _ in range(epochs):
        for loader, sign in ((forget, -0.1), (retain, 1.0)):
            for images, target, index in loader:
                images, target, index = images.to(device), target.to(device), index.to(device)
                assert len(index.unique()) == len(index)
                loss = sign * cross_entropy(model(images), target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
