"""One training set with its truth, as the harness holds it: what is handed over of it, and how models are judged."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from unlearnbench.engine.boundary import Request
from unlearnbench.engine.weights import Weights
from unlearnbench.evaluation.metrics import Metrics, metrics
from unlearnbench.evaluation.predictions import Predictions
from unlearnbench.method import Pipeline, predict
from unlearnbench.models import build
from unlearnbench.problem.corruption import CorruptedSet, Indices, trigger
from unlearnbench.problem.datasets import Dataset
from unlearnbench.problem.streams import Seeds, stream
from unlearnbench.problem.suite import ProblemSpec, Suite


@dataclass(frozen=True)
class World:
    """All problems that share one corrupted training set and one original: they differ in discovery rate only."""

    suite: Suite
    dataset: Dataset = field(repr=False)
    problem: ProblemSpec
    seeds: Seeds
    precision: str
    device: str
    folder: Path

    @cached_property
    def truth(self) -> CorruptedSet:
        return self.problem.corrupted_set(self.dataset)

    @cached_property
    def training_fingerprint(self) -> str:
        return hashlib.sha256(self.truth.images.tobytes() + self.truth.labels.tobytes()).hexdigest()

    @cached_property
    def training_set(self) -> Path:
        """The public part in a read-only file, whose name says nothing about it."""
        path = self.folder / f"{self.training_fingerprint[:16]}.safetensors"
        truth = self.truth
        save_file({"images": torch.from_numpy(truth.images), "labels": torch.from_numpy(truth.labels)}, path)
        path.chmod(0o400)
        return path

    @property
    def model(self) -> dict[str, Any]:
        """The arguments of `models.build`."""
        channels = self.dataset.train_images.shape[1]
        return {**asdict(self.suite.model), "classes": len(self.dataset.classes), "channels": channels}

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
            recipe=suite.recipe,
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

    @cached_property
    def reference(self) -> Weights:
        """Weights of the right names, shapes and dtypes; their values mean nothing."""
        return build(**self.model).state_dict()

    def predictions(self, weights: Weights) -> Predictions:
        """What a model with these weights says to every image: of D_tr, of the test set, of the triggered test set."""
        device = torch.device(self.device)
        model = build(**self.model).to(device).to(memory_format=torch.channels_last)
        model.load_state_dict(weights)
        test = self.dataset.test_images.numpy()
        triggered = trigger(test, self.problem.trigger_size) if self.problem.rules.triggered else None

        def classes(images: Any) -> Any:
            with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
                return predict(model, torch.from_numpy(images).to(device), self.pipeline).cpu().numpy()

        return Predictions(classes(self.truth.images), classes(test), None if triggered is None else classes(triggered))

    def judge(self, predictions: Predictions, forget: Indices) -> Metrics:
        return metrics(predictions, self.truth, forget, self.problem.rules, self.dataset.test_labels.numpy())
