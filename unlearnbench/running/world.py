"""One training set with its truth, as the harness holds it: what is handed over of it, and how models are judged."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unlearnbench.boundary.boundary import Request
from unlearnbench.contract.classifier import Classifier, predict, tied_gates
from unlearnbench.contract.images import Pipeline
from unlearnbench.contract.recipe import Recipe
from unlearnbench.evaluation.metrics import Metrics, metrics
from unlearnbench.evaluation.predictions import Predictions
from unlearnbench.models import build
from unlearnbench.models.weights import Weights
from unlearnbench.problems.corruption import CorruptedSet, Indices, Labels, trigger
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.streams import Seeds, stream
from unlearnbench.problems.suite import OriginalSpec, ProblemSpec, Suite
from unlearnbench.problems.tensors import write


@dataclass(frozen=True)
class World:
    """All problems that share one corrupted training set and one original: they differ in discovery rate only."""

    suite: Suite
    dataset: Dataset = field(repr=False)
    problem: ProblemSpec
    original: OriginalSpec
    seeds: Seeds
    precision: str
    device: str
    folder: Path | None
    """Where the training set is laid out for trials; None where none runs."""

    @cached_property
    def truth(self) -> CorruptedSet:
        return self.problem.corrupted_set(self.dataset)

    @property
    def training_fingerprint(self) -> str:
        return self.truth.fingerprint

    @cached_property
    def training_set(self) -> Path:
        """The public part in a read-only file, whose name says nothing about it."""
        assert self.folder is not None, "no trial runs here"
        kind = f"{self.original.capacity:g}-{self.original.training}"  # a method knows that of its original
        path = self.folder / f"{self.training_fingerprint[:16]}-{kind}.safetensors"
        truth = self.truth
        temporary = path.with_suffix(f".{threading.get_ident()}")  # two trials may be the first at once
        write({"images": torch.from_numpy(truth.images), "labels": torch.from_numpy(truth.labels)}, temporary)
        temporary.chmod(0o400)
        return temporary.replace(path)

    @property
    def model(self) -> dict[str, Any]:
        """The arguments of `models.build`."""
        channels = self.dataset.train_images.shape[1]
        return {
            **asdict(self.suite.model),
            "capacity": self.original.capacity,
            "classes": len(self.dataset.classes),
            "channels": channels,
            "image_size": self.dataset.train_images.shape[-1],
        }

    @property
    def recipe(self) -> Recipe:
        return self.suite.recipe_of(self.original)

    @property
    def pipeline(self) -> Pipeline:
        mean, std = self.dataset.normalisation
        recipe = self.suite.recipe
        return Pipeline(mean, std, recipe.crop_padding, recipe.flip, pinned=self.problem.trigger_size)

    def request(self, *, entry: str, seed: int, original: Path | None, forget: Indices, **other: Any) -> Request:
        """A request about this training set; `other` are the remaining fields of a Request."""
        suite = self.suite
        defaults: dict[str, Any] = {"folder": None, "hyperparameters": {}, "corrupted": None}
        return Request(
            entry=entry,
            training_set=str(self.training_set),
            original=None if original is None else str(original),
            forget=forget.tolist(),
            model=self.model,
            pipeline=self.pipeline,
            budget=suite.budget,
            recipe=self.recipe,
            seed=seed,
            threads=suite.threads,
            precision=self.precision,
            device=self.device,
            **({**defaults, "seconds": suite.limits.seconds, "memory_bytes": self.memory_bytes} | other),
        )

    @property
    def memory_bytes(self) -> int:
        return round(self.suite.limits.memory_gib * 2**30)

    def unlearning_seed(self) -> int:
        return stream(self.seeds.unlearning, "unlearning")

    def training_seed(self) -> int:
        return stream(self.seeds.training, "original")

    def model_with(self, weights: Weights | None = None) -> Classifier:
        model = build(**self.model).to(torch.device(self.device)).to(memory_format=torch.channels_last)
        if weights is not None:
            model.load_state_dict(weights)
        return model

    @cached_property
    def reference(self) -> Weights:
        """Weights of the right names, shapes and dtypes; their values mean nothing."""
        return build(**self.model).state_dict()

    @cached_property
    def original_reference(self) -> Weights:
        """The same for an original: with tied dropout it comes with what it was cut from."""
        model = build(**self.model)
        if self.recipe.tied_dropout is None:
            return model.state_dict()
        return nn.ModuleDict({"dropped": model, "expanded": model.widened(self.recipe.shared)}).state_dict()

    def predictions(self, weights: Weights) -> Predictions:
        """What a model with these weights says to every image: of D_tr, of the test set, of the triggered test set."""
        model = self.model_with(weights)
        test = self.dataset.test_images.numpy()
        triggered = trigger(test, self.problem.trigger_size) if self.problem.rules.triggered else None

        def classes(images: Any) -> Any:
            with self.autocast():
                return predict(model, torch.from_numpy(images).to(self.device), self.pipeline).cpu().numpy()

        return Predictions(classes(self.truth.images), classes(test), None if triggered is None else classes(triggered))

    def tied_predictions(self, expanded: Weights) -> Labels:
        """What the expansion that tied dropout trained says to each corrupted sample through the sample's own gates."""
        model = self.model_with()
        groups, model = model.groups, model.expanded(self.recipe.shared).eval()
        model.load_state_dict(expanded)
        ids = torch.from_numpy(self.truth.corrupted).to(self.device)
        images = torch.from_numpy(self.truth.images[self.truth.corrupted]).to(self.device)
        assert self.recipe.tied_dropout is not None
        gates = tied_gates(ids, groups, model.groups, self.recipe.tied_dropout)
        with self.autocast(), torch.no_grad():
            classes: Labels = model(self.pipeline.normalised(images), gates).argmax(dim=1).cpu().numpy()
        return classes

    def autocast(self) -> torch.autocast:
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def judge(self, predictions: Predictions, forget: Indices) -> Metrics:
        test_labels, gamma = self.dataset.test_labels.numpy(), self.suite.budget.stop_accuracy
        return metrics(predictions, self.truth, forget, self.problem.rules, test_labels, gamma)
