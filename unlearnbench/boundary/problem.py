"""Construction of the public problem from a request."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from unlearnbench.boundary.request import Request
from unlearnbench.contract.classifier import Classifier
from unlearnbench.contract.images import ImageSet
from unlearnbench.contract.method import Problem
from unlearnbench.models import build
from unlearnbench.models.training import train
from unlearnbench.models.weights import parts


def make_problem(request: Request) -> Problem:
    """Read the files of a request and move all tensors to its device."""
    device = torch.device(request.device)
    generator = torch.Generator().manual_seed(request.seed)
    tensors = {name: tensor.to(device) for name, tensor in load_file(request.training_set).items()}
    ids = torch.arange(len(tensors["labels"]), device=device)
    train_set = ImageSet(
        tensors["images"],
        tensors["labels"],
        ids,
        request.pipeline,
        generator,
        request.budget.batch_size,
        request.budget.augment,
    )

    def new_model() -> Classifier:
        return build(request.model).to(device)

    def positions(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.int64, device=device)

    original, expanded = ({}, None) if request.original is None else parts(load_file(request.original))
    return Problem(
        train=train_set,
        forget_positions=positions(request.forget),
        classes=request.model.classes,
        budget=request.budget,
        recipe=request.recipe,
        device=device,
        generator=generator,
        new_model=new_model,
        original_weights=original or new_model().state_dict(),
        expanded_weights=expanded,
        trainer=train,
        corrupted_positions=None if request.corrupted is None else positions(request.corrupted),
    )
