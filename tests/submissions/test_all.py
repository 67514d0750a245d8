"""What holds for every submission: determinism, cost, what it imports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from unlearnbench import Classifier, Problem, UnlearningMethod
from unlearnbench.submissions.finding import Submission, discover

Problems = Callable[..., Problem]
SUBMISSIONS = {item.label: item for item in discover(Path(__file__).parents[2] / "submissions") if item.folder}
UNTUNED = [label for label in SUBMISSIONS if not label.endswith("digits")]

# Samples forward and backward on 40 samples of which 8 are found, batches of 16, 6 steps: D_f makes one batch a pass,
# D_r two. What is not a pass of training: accuracies.
COST = {
    "original": (0, 0),
    "etd": (0, 0),
    "finetune": (96, 96),
    "l1_sparse": (96, 96),
    "ssd": (48, 48),
    "assd": (48, 48),
    "lfssd": (48, 48),
    "scrub": (2 * (8 + 32) + 2 * (8 + 32), 2 * (8 + 32)),  # two rounds; teacher and student
    "scrub_goel": (2 * (8 + 32) + 2 * (8 + 32), 2 * (8 + 32)),
    "bad_teacher": (3 * (17 + 17 + 8), 3 * 17),  # D_f and 9 of D_r; student, original, and D_f alone the random model
    "bad_teacher/goel": (2 * (40 + 40 + 8), 2 * 40),
    "salun": (8 + 2 * (8 + 32), 8 + 2 * (8 + 32)),  # the mask, two rounds
    "sap": (40 + 40, 0),
    "oracle": (15 * 28, 15 * 28),
}


def made(submission: Submission, module: Callable[..., ModuleType], **changes: Any) -> UnlearningMethod:
    file, name = submission.entry.split(":")
    assert submission.folder is not None
    method: UnlearningMethod = getattr(module(submission.folder.name, file), name)(
        **submission.hyperparameters | changes
    )
    return method


def problem_for(submission: Submission, problems: Problems) -> Problem:
    problem = problems()
    problem = replace(problem, recipe=replace(problem.recipe, steps=30))  # those that train from scratch
    return replace(problem, corrupted_positions=torch.arange(12)) if submission.needs_corrupted_indices else problem


@pytest.mark.parametrize("label", UNTUNED)
def test_the_same_seed_gives_the_same_bits(label: str, module: Callable[..., ModuleType], memorised: Problems) -> None:
    results = []
    shorter = {"max_tries": 20} if label == "potion" else {}
    for _ in range(2):
        problem = problem_for(SUBMISSIONS[label], memorised)
        model = made(SUBMISSIONS[label], module, **shorter).unlearn(problem)
        assert isinstance(model, nn.Module)
        results.append(model.state_dict())
    assert all(torch.equal(tensor, results[1][name]) for name, tensor in results[0].items())


def cost(method: UnlearningMethod, problem: Problem) -> tuple[int, int]:
    """Samples forward and backward."""
    counts: Counter[str] = Counter()

    def seen(layer: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(layer, Classifier):
            counts["forward"] += len(output)
            if output.requires_grad:
                output.register_hook(lambda gradient: counts.update(backward=len(gradient)))

    handle = nn.modules.module.register_module_forward_hook(seen)
    try:
        method.unlearn(problem)
    finally:
        handle.remove()
    return counts["forward"], counts["backward"]


@pytest.mark.parametrize("label", COST)
def test_cost(label: str, module: Callable[..., ModuleType], residual: Problems) -> None:
    problem = problem_for(SUBMISSIONS[label], residual)
    assert cost(made(SUBMISSIONS[label], module), problem) == COST[label]


@pytest.mark.parametrize("name", ["cuts", "cuts/forgets"])
def test_cuts_evaluates_as_many_models_as_its_search_takes(
    name: str, module: Callable[..., ModuleType], residual: Problems
) -> None:
    forward, backward = cost(made(SUBMISSIONS[name], module), residual())
    assert backward == 10 * 8  # the proxy
    assert (forward - backward) % 8 == 0
    assert 1 <= (forward - backward) // 8 <= 81


def test_importing_a_submission_imports_no_harness_but_the_contract() -> None:
    for submission in SUBMISSIONS.values():
        assert submission.folder is not None
        for file in submission.folder.glob("*.py"):
            lines = [
                line for line in file.read_text().splitlines() if line.startswith(("import unlearn", "from unlearn"))
            ]
            assert all(line.startswith("from unlearnbench import") for line in lines), file
