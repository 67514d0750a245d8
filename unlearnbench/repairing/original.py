"""The original model: weights that somebody has, and the architecture that they fit, or one trained by a recipe."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from unlearnbench.contract.classifier import Classifier
from unlearnbench.contract.images import Pipeline, normalisation
from unlearnbench.contract.recipe import Budget, Recipe
from unlearnbench.errors import UsageError, unknown
from unlearnbench.models import TORCHVISION, ModelSpec, build
from unlearnbench.models.weights import Weights, find_fault
from unlearnbench.problems.registry import ARCHITECTURES

SMALLEST = 16
"""Side in pixels of the smallest images that all architectures take."""
SGD = Recipe(steps=1, batch_size=64, peak_learning_rate=0.05, warmup=0.1, final=0.02, crop_padding=0, flip=False)
ADAM = replace(SGD, peak_learning_rate=2e-3, weight_decay=0.0, optimizer="adam")
"""As in the suites `digits` and `digits-vit`: without crops, a model learns wrong labels as it learns right ones."""
PASSES = {"sgd": 20, "adam": 50}
UNLEARNING_PASSES = 5
UNLEARNING_RATE = {"sgd": 0.01, "adam": 4e-4}
Channels = tuple[float, ...]


@dataclass(frozen=True)
class Model:
    """The model to repair.

    Attributes:
        weights: None if the original is to be trained. Names are those of `models.build`.
        source: what it is, in words.
        image_size: side in pixels to resize images to. None if they have to have the size of the first one.
        mean, std: what its inputs are normalised by. Empty for those of the folder.
    """

    spec: ModelSpec
    weights: Weights | None = field(repr=False)
    source: str
    image_size: int | None = None
    mean: Channels = ()
    std: Channels = ()

    @property
    def expandable(self) -> bool:
        return not self.spec.architecture.startswith(TORCHVISION)

    def exported(self, weights: Weights) -> Weights:
        """Weights under the names that the architecture has where it comes from."""
        if self.expandable:
            return weights
        return {name.removeprefix(_prefix(self.spec.architecture)): tensor for name, tensor in weights.items()}

    def pipeline(self, images: Tensor) -> Pipeline:
        mean, std = (self.mean, self.std) if self.mean else normalisation(images)
        return Pipeline(mean, std, crop_padding=0, flip=False)


def _prefix(architecture: str) -> str:
    from unlearnbench.models.from_torchvision import NET

    return NET if architecture.startswith(TORCHVISION) else ""


def recipe_of(architecture: str, sizes: tuple[int, ...]) -> tuple[Recipe, Budget]:
    """How an original is trained on the first of so many samples, and what a method may spend.

    Args:
        sizes: numbers of samples that a pass may have. No pass ends with a batch of one, which BatchNorm may refuse,
            unless it is a pass over one sample.
    """
    base = ADAM if architecture.startswith("vit") else SGD
    largest = min(base.batch_size, max(16, sizes[0] // 20))  # a small folder has 20 steps a pass
    batch = next(
        (size for size in range(largest, 1, -1) if all(count == 1 or count % size != 1 for count in sizes)), largest
    )
    per_pass = -(-sizes[0] // batch)
    recipe = replace(base, steps=PASSES[base.optimizer] * per_pass, batch_size=batch)
    return recipe, Budget(UNLEARNING_PASSES * per_pass, batch, UNLEARNING_RATE[base.optimizer])


def read_weights(file: Path) -> Weights:
    """Read weights by name: safetensors, or what `torch.save` wrote, of which only tensors are read.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"weights {file} hold more than tensors, and reading that would run code of the file: save"
            " `model.state_dict()` with torch.save or safetensors"
        ) from error
    except Exception as error:  # for damaged files torch raises many types
        reason = next(iter(str(error).splitlines()), "")
        raise UsageError(f"weights {file} cannot be read ({type(error).__name__}: {reason})") from error
    for name in ("state_dict", "model_state_dict", "model"):  # what training loops save around it
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise UsageError(f"weights {file} are no dictionary of tensors: save `model.state_dict()`")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}  # as DataParallel names them


def model_of(
    name: str,
    file: Path | None,
    classes: tuple[str, ...],
    side: int,
    *,
    width: float = 1.0,
    image_size: int | None = None,
    mean: Channels = (),
    std: Channels = (),
) -> Model:
    """The model of this name: an architecture of suites or torchvision's, whichever the weights fit.

    Args:
        name: as in a suite, or as in torchvision.
        file: its weights. None to have it trained.
        side: of the first image of the folder in pixels.
        width: factor on the channels of an architecture that is not torchvision's.
        image_size, mean, std: of its inputs; default: those of torchvision's weights, or of the folder.

    Raises:
        UsageError: no such model, or the weights do not fit it or the classes.
    """
    from unlearnbench.models import from_torchvision

    own, others = ARCHITECTURES.names(), from_torchvision.names()
    if name not in (*own, *others):
        raise UsageError(unknown("model", name, [*own, *others]))
    if bool(mean) != bool(std):
        raise UsageError("the mean of inputs needs their deviation, and the other way round: give --mean and --std")
    if not all(value > 0 for value in std):
        raise UsageError(f"--std takes numbers above 0, not {','.join(f'{value:g}' for value in std)}")
    spec = ModelSpec(name, width, 1.0, len(classes), 3, image_size or side)
    if spec.image_size < SMALLEST:
        raise UsageError(f"images of {side}x{side} pixels are too small: give --image-size, {SMALLEST} or more")
    if file is None:
        if name not in own:
            raise UsageError(
                f"torchvision's {name} needs its --weights; without, one of {', '.join(own)} can be trained"
            )
        _try(spec, name)
        return Model(spec, None, f"{name}, trained here by the recipe below", image_size, mean, std)
    weights, faults = read_weights(file), []
    for architecture in ([name] if name in own else []) + ([TORCHVISION + name] if name in others else []):
        candidate, source, wanted = replace(spec, architecture=architecture), f"{name}, weights {file.name}", image_size
        if architecture.startswith(TORCHVISION):
            size, own_mean, own_std = from_torchvision.inputs_of(name)
            wanted = image_size or size
            candidate = replace(candidate, width=1.0, image_size=wanted)
            source, mean, std = f"torchvision's {source}", mean or own_mean, std or own_std
        fitting, fault = _fitted(weights, candidate, classes, file)
        if fitting is not None:
            _try(candidate, name)
            return Model(candidate, fitting, source, wanted, mean, std)
        faults.append(fault)
    raise UsageError(f"weights {file} do not fit {name}: {'; nor that of torchvision: '.join(map(str, faults))}")


def _try(spec: ModelSpec, name: str) -> None:
    """Run a model once on blank images: many architectures take some sizes only.

    Raises:
        UsageError: it does not take images of this size.
    """
    try:
        images = torch.zeros(2, spec.channels, spec.image_size, spec.image_size)
        with torch.no_grad():
            build(spec).train()(images)  # some have heads that only training uses
    except (RuntimeError, AssertionError, ValueError) as error:  # as torchvision's models raise them
        side, reason = spec.image_size, next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(
            f"{name} does not take images of {side}x{side} pixels ({reason}): give another --image-size"
        ) from error


def _fitted(
    weights: Weights, spec: ModelSpec, classes: tuple[str, ...], file: Path
) -> tuple[Weights | None, str | None]:
    """The weights as `models.build` names them, or why they do not fit the layers before the last."""
    model, prefix = build(spec), _prefix(spec.architecture)
    reference = {name.removeprefix(prefix): tensor for name, tensor in model.state_dict().items()}
    counters = {name: tensor for name, tensor in reference.items() if name.endswith("num_batches_tracked")}
    weights = counters | {  # old checkpoints have no counters, which nothing here reads
        name: tensor.to(reference[name].dtype) if name in reference and tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }
    head = _head_of(model).removeprefix(prefix)
    before_head = {name for name in (*reference, *weights) if not name.startswith(f"{head}.")}
    fault = find_fault(
        {name: tensor for name, tensor in weights.items() if name in before_head},
        {name: tensor for name, tensor in reference.items() if name in before_head},
    )
    last = weights.get(f"{head}.weight")
    if fault is None and last is not None and last.shape[0] != len(classes):
        raise UsageError(
            f"weights {file} tell {last.shape[0]} classes apart, and the folder has {len(classes)}"
            f" ({', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''}): give weights that were trained on"
            " these classes, in this order"
        )
    fault = fault or find_fault(weights, reference)
    return (None, fault) if fault else ({f"{prefix}{name}": tensor for name, tensor in weights.items()}, None)


def _head_of(model: Classifier) -> str:
    names = {id(module): name for name, module in model.named_modules()}
    head: str = names[id(model.head)]
    return head
