"""unlearnbench: a benchmark for methods that repair image classifiers trained on corrupted data.

Submissions import everything they need from this package:

    from unlearnbench import Batch, Classifier, ImageSet, Problem, UnlearningMethod

Names are imported lazily, so that `unlearnbench --help` does not have to load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlearnbench.contract.classifier import Classifier, frozen_batchnorm, is_finite, predict, tied_gates
    from unlearnbench.contract.images import Batch, ImageSet, Pipeline
    from unlearnbench.contract.method import Problem, UnlearningMethod, optimizer, set_rate
    from unlearnbench.contract.recipe import STRICT, Budget, Count, Positive, Recipe, Share, warmup_then_decay

__all__ = [
    "STRICT",
    "Batch",
    "Budget",
    "Classifier",
    "Count",
    "ImageSet",
    "Pipeline",
    "Positive",
    "Problem",
    "Recipe",
    "Share",
    "UnlearningMethod",
    "frozen_batchnorm",
    "is_finite",
    "optimizer",
    "predict",
    "set_rate",
    "tied_gates",
    "warmup_then_decay",
]
__version__ = "0.1.0"

_ROOMS = {
    "classifier": ("Classifier", "frozen_batchnorm", "is_finite", "predict", "tied_gates"),
    "images": ("Batch", "ImageSet", "Pipeline"),
    "method": ("Problem", "UnlearningMethod", "optimizer", "set_rate"),
    "recipe": ("STRICT", "Budget", "Count", "Positive", "Recipe", "Share", "warmup_then_decay"),
}


def __getattr__(name: str) -> Any:
    for module, names in _ROOMS.items():
        if name in names:
            return getattr(importlib.import_module(f"unlearnbench.contract.{module}"), name)
    raise AttributeError(f"module 'unlearnbench' has no attribute {name!r}")
