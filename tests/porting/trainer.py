"""Foreign code in the style of a Hugging Face `Trainer`: datasets and a collator go in, the model returns its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


@dataclass
class TrainingArguments:
    output_dir: str
    max_steps: int
    per_device_train_batch_size: int = 8
    learning_rate: float = 5e-5
    report_to: str = "all"
    save_strategy: str = "steps"
    dataloader_pin_memory: bool = True


class UnlearningTrainer:
    def __init__(
        self, model: nn.Module, args: TrainingArguments, data_collator: Callable[..., Any], train_dataset: Dataset[Any]
    ):
        self.model, self.args, self.train_dataset, self.data_collator = model, args, train_dataset, data_collator

    def train(self) -> None:
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.args.learning_rate)
        self.model.train()
        for step, inputs in enumerate(self.endless()):
            if step == self.args.max_steps:
                return
            loss = self.model(**inputs)["loss"]
            loss.backward()
            optimizer.step()
            self.model.zero_grad()

    def endless(self) -> Any:
        size = self.args.per_device_train_batch_size
        while True:
            yield from DataLoader(self.train_dataset, size, shuffle=True, collate_fn=self.data_collator)
