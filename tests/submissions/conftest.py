"""A submission's module by name, and tiny problems."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.submissions.mine import GOOD
from unlearnbench import Budget, Classifier, ImageSet, Pipeline, Problem, Recipe
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.training import train

FOLDER = Path(__file__).parents[2] / "submissions"


@pytest.fixture(scope="session")
def module() -> Callable[..., ModuleType]:
    """Imports a submission's module, `method` by default."""

    def load(folder: str, name: str = "method") -> ModuleType:
        return importlib.import_module(f"{folder}.{name}")

    return load


class Linear(Classifier):
    """A softmax regression, whose gradients a test can write down."""

    groups = ()

    def __init__(self, size: int, classes: int):
        super().__init__()
        self.linear = nn.Linear(size, classes, bias=False)

    def forward(self, images: Tensor, gates: Any = None) -> Tensor:
        logits: Tensor = self.linear(images.flatten(1))
        return logits

    def widened(self, shared: float = 0.5) -> Linear:
        raise NotImplementedError


def _softmax_regression() -> Linear:
    return Linear(12, 3)


def _as_the_harness_hands_it_over() -> ResNet9:
    return ResNet9(3, 1, 1 / 32)


MEMORISED = 60
"""Steps of training after which the tiny residual network has memorised its wrong labels."""
_ORIGINALS: dict[Any, dict[str, Tensor]] = {}
"""Trained weights by all that they depend on: many tests start from the same original."""


def _problem(
    new_model: Callable[[], Classifier],
    shape: tuple[int, ...],
    *,
    samples: int = 40,
    forget: int = 8,
    batch_size: int = 64,
    steps: int = 6,
    learning_rate: float = 0.05,
    stop_accuracy: float = 0.2,
    weight_decay: float = 5e-4,
    pretrain: int = 30,
    seed: int = 0,
) -> Problem:
    """3 classes of noise with a bright third; the first `forget` samples carry the next class's label."""
    random = torch.Generator().manual_seed(5)
    labels = torch.arange(samples) % 3
    images = torch.randint(0, 120, (samples, *shape), generator=random)
    flat = images.view(samples, -1)
    third = flat.shape[1] // 3
    for position, label in enumerate(labels.tolist()):
        flat[position, label * third : (label + 1) * third] += 100
    images = images.to(torch.uint8)
    labels[:forget] = (labels[:forget] + 1) % 3
    generator = torch.Generator().manual_seed(11)
    pipeline = Pipeline((0.4,) * shape[0], (0.25,) * shape[0], crop_padding=0, flip=False)
    data = ImageSet(images, labels, torch.arange(samples), pipeline, generator, batch_size)
    recipe = Recipe(pretrain, batch_size, 0.05, warmup=0.1, weight_decay=weight_decay, crop_padding=0, flip=False)
    trained = (new_model, shape, samples, forget, batch_size, recipe)
    if trained not in _ORIGINALS:
        torch.manual_seed(11)
        model = new_model()
        train(model, data, recipe)
        _ORIGINALS[trained] = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    generator.manual_seed(seed)
    torch.manual_seed(seed)
    return Problem(
        train=data,
        forget_positions=torch.arange(forget),
        classes=3,
        budget=Budget(steps, batch_size, learning_rate, stop_accuracy),
        recipe=recipe,
        device=torch.device("cpu"),
        generator=generator,
        new_model=new_model,
        original_weights={name: tensor.clone() for name, tensor in _ORIGINALS[trained].items()},
        trainer=train,
    )


@pytest.fixture
def linear() -> Callable[..., Problem]:
    """Makes a problem whose model is a softmax regression on 12 pixels; one batch holds everything."""
    return partial(_problem, _softmax_regression, (1, 3, 4))


@pytest.fixture
def residual() -> Callable[..., Problem]:
    """Makes a problem whose model is a ResNet-9 with 2, 4, 8 and 4 channels."""
    return partial(_problem, _as_the_harness_hands_it_over, (1, 16, 16), batch_size=16)


@pytest.fixture
def memorised(residual: Callable[..., Problem]) -> Callable[..., Problem]:
    """Makes a residual problem whose original gives nearly all of D_f its wrong labels: there is something to do."""

    def make(**changes: Any) -> Problem:
        problem = residual(pretrain=MEMORISED, **changes)
        assert problem.accuracy(problem.original(), problem.forget) >= 0.75
        return problem

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A submission that is right, in `mine`."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "submission.toml").write_text(GOOD)
    (folder / "method.py").write_text("raise SystemExit('reading must not run this')")
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
