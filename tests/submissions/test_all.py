"""What holds for every submission: determinism, BatchNorm, cost."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from unlearnbench.engine.submissions import Submission, discover
from unlearnbench.method import Batch, Classifier, ImageSet, Problem, UnlearningMethod

Problems = Callable[..., Problem]
SUBMISSIONS = {item.label: item for item in discover(Path(__file__).parents[2] / "submissions") if item.folder}
LEAVES_STATISTICS = {"original", "etd", "gradient_ascent", "npo", "ssd", "assd", "lfssd", "potion", "cuts", "sap"}
"""Methods that never see D_r in training mode: the running statistics of what they return are the original's."""

# Samples forward and backward on 40 samples of which 8 are found, batches of 16, 6 steps: D_r makes two batches a
# pass. What is not a pass of training: accuracies.
COST = {
    "original": (0, 0),
    "etd": (0, 0),
    "finetune": (96, 96),
    "l1_sparse": (96, 96),
    "ssd": (48, 48),
    "assd": (48, 48),
    "lfssd": (48, 48),
    "scrub": (2 * (96 + 2 * 8), 96 + 2 * 8),
    "scrub_goel": (2 * (96 + 2 * 8), 96 + 2 * 8),
    "bad_teacher": (80 + 80 + 2 * 8, 80),
    "salun": (8 + 3 * 8 + 96, 8 + 3 * 8 + 96),
    "cuts": (10 * 8 + 21 * (8 + 32), 10 * 8),
    "sap": (40 + 40, 0),
    "oracle": (15 * 28, 15 * 28),
}


def made(submission: Submission, module: Callable[..., ModuleType]) -> UnlearningMethod:
    file, name = submission.entry.split(":")
    assert submission.folder is not None
    method: UnlearningMethod = getattr(module(submission.folder.name, file), name)(**submission.hyperparameters)
    return method


def problem_for(submission: Submission, residual: Problems, **changes: Any) -> Problem:
    problem = residual(**changes)
    return replace(problem, corrupted_positions=torch.arange(12)) if submission.needs_corrupted_indices else problem


def statistics(problem: Problem) -> dict[str, torch.Tensor]:
    """The running statistics of the original."""
    return {name: value for name, value in problem.original_weights.items() if "running" in name}


@pytest.mark.parametrize("label", SUBMISSIONS)
def test_the_same_seed_gives_the_same_bits(label: str, module: Callable[..., ModuleType], memorised: Problems) -> None:
    results = []
    for _ in range(2):
        problem = problem_for(SUBMISSIONS[label], memorised)
        results.append(made(SUBMISSIONS[label], module).unlearn(problem).state_dict())
    assert all(torch.equal(tensor, results[1][name]) for name, tensor in results[0].items())


@pytest.mark.parametrize("label", SUBMISSIONS)
def test_batchnorm_is_frozen_where_only_the_forget_set_is_seen(
    label: str, module: Callable[..., ModuleType], memorised: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_for(SUBMISSIONS[label], memorised)
    known = 12 if label == "rem_ideal" else 8
    only_found: dict[int, bool] = {}
    current: list[bool] = []
    modes: Counter[tuple[bool, bool]] = Counter()
    batches = ImageSet.batches

    def spied(self: ImageSet, *args: Any, **kwargs: Any) -> Iterator[Batch]:
        for batch in batches(self, *args, **kwargs):
            only_found[batch.images.data_ptr()] = bool((batch.ids < known).all())
            yield batch

    def seen(layer: nn.Module, inputs: Any) -> None:
        if isinstance(layer, Classifier):
            current[:] = [only_found.get(inputs[0].data_ptr(), True)]  # a part of a batch is its found samples
        if isinstance(layer, nn.BatchNorm2d) and torch.is_grad_enabled():
            modes[current[0], layer.training] += 1

    monkeypatch.setattr(ImageSet, "batches", spied)
    handle = nn.modules.module.register_module_forward_pre_hook(seen)
    try:
        result = made(SUBMISSIONS[label], module).unlearn(problem).state_dict()
    finally:
        handle.remove()
    assert not modes[True, True], "a batch of nothing but the forget set in training mode"
    if SUBMISSIONS[label].name in LEAVES_STATISTICS:
        assert not modes[False, True]
        assert all(torch.equal(result[name], kept) for name, kept in statistics(problem).items())
    else:
        assert modes[False, True], "nothing was learnt in training mode"
    if SUBMISSIONS[label].name in ("gradient_ascent", "npo", "cuts", "scrub", "scrub_goel"):
        assert modes[True, False], "nothing was learnt on the forget set"


@pytest.mark.parametrize("label", [label for label in SUBMISSIONS if label in COST])
def test_cost(label: str, module: Callable[..., ModuleType], residual: Problems) -> None:
    problem = problem_for(SUBMISSIONS[label], residual)
    counts: Counter[str] = Counter()

    def seen(layer: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(layer, Classifier):
            counts["forward"] += len(output)
            if output.requires_grad:
                output.register_hook(lambda gradient: counts.update(backward=len(gradient)))

    handle = nn.modules.module.register_module_forward_hook(seen)
    try:
        made(SUBMISSIONS[label], module).unlearn(problem)
    finally:
        handle.remove()
    assert (counts["forward"], counts["backward"]) == COST[label]


def test_every_submission_states_what_it_does_to_batchnorm() -> None:
    for label, submission in SUBMISSIONS.items():
        if label == "original":
            continue
        assert submission.folder is not None
        file = submission.folder / f"{submission.entry.split(':')[0]}.py"
        texts = [file.read_text(), (submission.folder / "method.py").read_text()]
        assert any("BatchNorm" in text for text in texts), label


def test_importing_a_submission_imports_no_harness_but_the_contract() -> None:
    for submission in SUBMISSIONS.values():
        assert submission.folder is not None
        for file in submission.folder.glob("*.py"):
            lines = [
                line for line in file.read_text().splitlines() if line.startswith(("import unlearn", "from unlearn"))
            ]
            assert all(line.startswith("from unlearnbench.method import") for line in lines), file
    assert importlib.import_module("unlearnbench.method").Problem is Problem
