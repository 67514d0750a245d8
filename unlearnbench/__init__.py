"""unlearnbench: a benchmark for methods that repair image classifiers trained on corrupted data.

Submissions import everything they need from this package:

    from unlearnbench import Batch, Classifier, ImageSet, Problem, UnlearningMethod

It also runs benchmarks from Python (see `unlearnbench.library`):

    unlearnbench.run("digits", methods=["rem"], seeds=[0])

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
    from unlearnbench.library import (
        baseline,
        board,
        check,
        compare,
        debug,
        dump,
        export_originals,
        import_originals,
        leaderboard,
        load,
        merge,
        plot,
        problem,
        ranking,
        remove_origin,
        repair,
        rerun,
        results,
        run,
        site,
        standings,
        tune,
    )

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
    "baseline",
    "board",
    "check",
    "compare",
    "debug",
    "dump",
    "export_originals",
    "frozen_batchnorm",
    "import_originals",
    "is_finite",
    "leaderboard",
    "load",
    "merge",
    "optimizer",
    "plot",
    "predict",
    "problem",
    "ranking",
    "remove_origin",
    "repair",
    "rerun",
    "results",
    "run",
    "set_rate",
    "site",
    "standings",
    "tied_gates",
    "tune",
    "warmup_then_decay",
]
__version__ = "0.1.0"

_ROOMS = {
    "contract.classifier": ("Classifier", "frozen_batchnorm", "is_finite", "predict", "tied_gates"),
    "contract.images": ("Batch", "ImageSet", "Pipeline"),
    "contract.method": ("Problem", "UnlearningMethod", "optimizer", "set_rate"),
    "contract.recipe": ("STRICT", "Budget", "Count", "Positive", "Recipe", "Share", "warmup_then_decay"),
}
"""Where names are. Those that are not listed are in `library`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'unlearnbench' has no attribute {name!r}")
    room = next((room for room, names in _ROOMS.items() if name in names), "library")
    return getattr(importlib.import_module(f"unlearnbench.{room}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
