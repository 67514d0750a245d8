"""Foreign code as a challenge entry has it: one function of fixed arguments that edits the network in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax


def unlearning(
    net: nn.Module, retain_loader: Any, forget_loader: Any, val_loader: Any, epochs: int = 4, device: Any = "cuda"
) -> None:
    """Towards uniform outputs on the forget set, then fine-tune with class weights on the retain set."""
    counts = np.bincount(np.array(retain_loader.dataset.targets))
    weights = torch.tensor(len(retain_loader.dataset) / np.maximum(counts, 1) / len(counts), dtype=torch.float32)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.005, momentum=0.9)
    net.train()
    for inputs, _ in forget_loader:
        logits = net(inputs.to(device))
        uniform = torch.full_like(logits, 1 / logits.shape[1])
        optimizer.zero_grad()
        kl_div(log_softmax(logits, dim=1), uniform, reduction="batchmean").backward()
        optimizer.step()
    for _ in range(epochs):
        for inputs, targets in retain_loader:
            optimizer.zero_grad()
            cross_entropy(net(inputs.to(device)), targets.to(device), weights.to(device)).backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        assert all(net(inputs.to(device)).isfinite().all() for inputs, _ in val_loader)
