"""unlearnbench: which method repairs a classifier trained on corrupted data, and where on the map it fails.

A submission imports its contract from here and nothing else:

    from unlearnbench import Batch, Classifier, ImageSet, Problem, UnlearningMethod

The names resolve on first use, so that `unlearnbench --help` does not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlearnbench.method import Batch, Budget, Classifier, ImageSet, Problem, Recipe, UnlearningMethod

__all__ = ["Batch", "Budget", "Classifier", "ImageSet", "Problem", "Recipe", "UnlearningMethod"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("unlearnbench.method"), name)
    raise AttributeError(f"module 'unlearnbench' has no attribute {name!r}")
