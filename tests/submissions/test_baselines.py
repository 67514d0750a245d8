"""The baselines' manifests and seeds, and ascents that overflow; `test_proofs` has what they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from unlearnbench import Problem
from unlearnbench.submissions.finding import read

FOLDER = Path(__file__).parents[2] / "submissions"
Modules = Callable[[str], ModuleType]
Problems = Callable[..., Problem]
ALL = {
    "original": ("Original", "reference"),
    "retrain": ("Retrain", "reference"),
    "finetune": ("FineTune", "ranked"),
    "gradient_ascent": ("GradientAscent", "ranked"),
    "npo": ("NPO", "ranked"),
    "rem": ("REM", "ranked"),
}


@pytest.mark.parametrize("name", ALL)
def test_the_manifest_fits_the_class(name: str, module: Modules) -> None:
    submission = next(item for item in read(FOLDER / name) if item.variant == "default")
    assert (submission.entry, submission.role) == (f"method:{ALL[name][0]}", ALL[name][1])
    assert not submission.needs_corrupted_indices
    method = getattr(module(name), ALL[name][0])
    assert method(**submission.hyperparameters) == method()


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(
    name: str, module: Modules, memorised: Problems
) -> None:
    method = getattr(module(name), ALL[name][0])()
    first, second, other = (
        method.unlearn(memorised(samples=44, forget=20, seed=seed)).state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert (name == "original") == all(torch.equal(first[key], other[key]) for key in first)


def test_original_is_the_original(module: Modules, residual: Problems) -> None:
    problem = residual()
    result = module("original").Original().unlearn(problem).state_dict()
    assert all(torch.equal(result[key], value) for key, value in problem.original_weights.items())


@pytest.mark.parametrize("name", ["gradient_ascent", "npo"])
def test_weights_that_overflow_are_not_returned(name: str, module: Modules, linear: Problems) -> None:
    problem = linear(learning_rate=float("inf"), stop_accuracy=0.0)
    result = getattr(module(name), ALL[name][0])().unlearn(problem).state_dict()
    assert result["linear.weight"].isfinite().all()
