"""The problem that a trial gets is the one that was requested."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unlearnbench import Budget, Pipeline, Recipe
from unlearnbench.boundary.problem import make_problem
from unlearnbench.boundary.request import Request
from unlearnbench.models import ModelSpec


@pytest.mark.parametrize("augment", [True, False])
def test_every_set_is_augmented_as_the_budget_says(tmp_path: Path, augment: bool) -> None:
    images = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    save_file({"images": images, "labels": torch.arange(6) % 3}, tmp_path / "set.safetensors")
    request = Request(
        entry="",
        training_set=str(tmp_path / "set.safetensors"),
        forget=[1, 4],
        model=ModelSpec("resnet9", 0.05, 1.0, 3, 3, 16),
        pipeline=Pipeline((0.5,) * 3, (0.25,) * 3, crop_padding=4, flip=True),
        budget=Budget(steps=1, batch_size=6, learning_rate=0.1, augment=augment),
        recipe=Recipe(steps=1, batch_size=6, peak_learning_rate=0.1),
        seed=0,
        threads=1,
        precision="float32",
        device="cpu",
        seconds=1,
        memory_bytes=0,
    )
    problem = make_problem(request)
    for own in (problem.train, problem.forget, problem.retain):
        batch = next(own.batches(shuffle=False))
        assert torch.equal(batch.images, request.pipeline.normalised(own.images)) is not augment
