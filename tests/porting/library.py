"""Foreign code as a library has it: a trainer with loaders by name that keeps the best snapshot on a test loader."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader


class HeadReset:
    """Draws a new last layer, `fc`, and fine-tunes."""

    def __init__(self, model: Any, loaders: dict[str, DataLoader[Any]], lr: float = 0.01, device: Any = "cuda"):
        self.model = copy.deepcopy(model).to(device)
        self.loaders, self.lr, self.device = loaders, lr, device

    def fit(self, epochs: int) -> dict[str, Tensor]:
        head = self.model.fc
        new = nn.Linear(head.in_features, head.out_features, bias=head.bias is not None)
        setattr(self.model, "fc", new.to(self.device))  # noqa: B010  as libraries do
        optimizer = torch.optim.SGD(self.model.parameters(), lr=self.lr, momentum=0.9)
        best, snapshot = -1.0, {}
        for _ in range(epochs):
            self.model.train()
            for images, labels in self.loaders["Retain"]:
                optimizer.zero_grad()
                cross_entropy(self.model(images.to(self.device)), labels.to(self.device)).backward()
                optimizer.step()
            if (accuracy := self.accuracy(self.loaders["Test"])) > best:
                best, snapshot = accuracy, copy.deepcopy(self.model.state_dict())
        return snapshot

    @torch.no_grad()
    def accuracy(self, loader: DataLoader[Any]) -> float:
        self.model.eval()
        right = sum(
            int((self.model(images.to(self.device)).argmax(1) == labels.to(self.device)).sum())
            for images, labels in loader
        )
        return right / len(loader.dataset)  # type: ignore[arg-type]
