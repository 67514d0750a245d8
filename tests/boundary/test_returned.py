"""What `unlearn` may return: whatever means one model, and one sentence for all else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.contract.pictures import image_set
from unlearnbench import Budget, Classifier, Problem, Recipe
from unlearnbench.boundary.returned import HandedOut, watched, weights_of
from unlearnbench.models.resnet9 import ResNet9
from unlearnbench.models.training import train
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.results import planned_trials
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission


@pytest.fixture
def given() -> tuple[Problem, HandedOut]:
    torch.manual_seed(0)
    return watched(
        Problem(
            train=image_set(),
            forget_positions=torch.tensor([1, 7]),
            classes=3,
            budget=Budget(steps=3, batch_size=4, learning_rate=0.1),
            recipe=Recipe(steps=3, batch_size=4, peak_learning_rate=0.1),
            device=torch.device("cpu"),
            generator=torch.Generator(),
            new_model=lambda: ResNet9(3, width=0.05),
            original_weights=ResNet9(3, width=0.05).state_dict(),
            trainer=train,
        )
    )


def changed(problem: Problem) -> Classifier:
    model = problem.original()
    nn.init.ones_(model.fc.weight)
    return model


def is_all_of(weights: dict[str, Tensor], model: nn.Module) -> bool:
    state = model.state_dict()
    return list(weights) == list(state) and all(torch.equal(tensor, state[name]) for name, tensor in weights.items())


class Wrapper(nn.Module):
    """A model as a library holds it, with a layer of the library's own."""

    def __init__(self, **models: nn.Module):
        super().__init__()
        self.projection = nn.Linear(2, 2)
        for name, model in models.items():
            self.add_module(name, model)


WAYS: dict[str, Callable[[Classifier], Any]] = {
    "itself": lambda model: model,
    "state_dict": lambda model: model.state_dict(),
    "state_dict of a wrapper": lambda model: nn.DataParallel(model).state_dict(),
    "plain dict": lambda model: dict(model.state_dict(keep_vars=True).items()),
    "parallel": nn.DataParallel,
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "one attribute deep": lambda model: Wrapper(net=model),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_model_is_found_in_what_holds_it(way: str, given: tuple[Problem, HandedOut]) -> None:
    problem, handed = given
    model = changed(problem)
    assert is_all_of(weights_of(WAYS[way](model), problem, handed), model)


def test_buffers_of_others_are_left_out(given: tuple[Problem, HandedOut]) -> None:
    problem, handed = given
    model = changed(problem)
    plain = copy.deepcopy(model)
    model.register_buffer("total_ops", torch.zeros(1))
    model.conv1.register_buffer("mask", torch.ones(3))
    assert is_all_of(weights_of(model, problem, handed), plain)
    assert is_all_of(weights_of(nn.DataParallel(model), problem, handed), plain)


def test_parameters_of_others_are_left_to_the_judge(given: tuple[Problem, HandedOut]) -> None:
    problem, handed = given
    model = changed(problem)
    model.teacher = problem.original()  # which would fit, too
    assert {"linear.weight", "teacher.linear.weight"} <= weights_of(model, problem, handed).keys()
    assert list(weights_of(nn.Linear(2, 2), problem, handed)) == ["weight", "bias"]


def test_none_is_the_model_that_was_changed_in_place(given: tuple[Problem, HandedOut]) -> None:
    problem, handed = given
    model = changed(problem)
    assert is_all_of(weights_of(None, problem, handed), model)


def twice(problem: Problem) -> None:
    changed(problem)
    problem.untrained()


def in_a_copy(problem: Problem) -> None:
    nn.init.ones_(copy.deepcopy(problem.original()).fc.weight)


NO_MODEL: dict[str, tuple[Callable[[Problem], object], str]] = {
    "none": (lambda problem: None, "None without having asked for a model: return the repaired model or its"),
    "two": (twice, "None after it had been given 2 models: return the repaired model or its state_dict"),
    "copy": (in_a_copy, "None, and the model that it was given has not changed: return the repaired model"),
    "pair": (lambda problem: (changed(problem), 0.9), "tuple: return the repaired model or its state_dict"),
    "checkpoint": (lambda problem: {"model": changed(problem).state_dict()}, "dict: return the repaired model"),
    "distiller": (
        lambda problem: Wrapper(student=changed(problem), teacher=problem.original()),
        r"Wrapper with several models \(student, teacher\): return one",
    ),
}


@pytest.mark.parametrize("kind", NO_MODEL)
def test_what_means_no_model_is_told_so(kind: str, given: tuple[Problem, HandedOut]) -> None:
    problem, handed = given
    unlearn, words = NO_MODEL[kind]
    with pytest.raises(TypeError, match=f"^unlearn returned {words}"):
        weights_of(unlearn(problem), problem, handed)


def test_trials_of_each_kind_end_as_they_should(
    make_submission: Callable[..., Submission], tiny_suite: Suite, store: Store, tmp_path: Path
) -> None:
    edit = "model = problem.original()\nmodel.fc.weight.data.mul_(2)\n"
    bodies = {
        "itself": f"{edit}return model",
        "in_place": edit,
        "state": f"{edit}return model.state_dict()",
        "wrapped": f"{edit}return torch.nn.DataParallel(model)",
        "pair": f"{edit}return model, 0.5",
        "more": f"{edit}model.extra = torch.nn.Linear(2, 2)\nreturn model",
    }
    submissions = [make_submission(name, body) for name, body in bodies.items()]
    run = run_suite(tiny_suite, submissions, store, tmp_path)
    records = {trial.submission.name: trial.record for trial in planned_trials(store.engine, [run.run_id])}
    reasons = {name: record.reason for name, record in records.items() if record is not None}
    assert reasons == {
        **dict.fromkeys(("itself", "in_place", "state", "wrapped")),
        "pair": "invalid weights: unlearn returned tuple: return the repaired model or its state_dict",
        "more": "invalid weights: not the original's architecture (missing: [], not expected:"
        " ['extra.bias', 'extra.weight'])",
    }
    hashes = {record.weights_hash for record in records.values() if record is not None and record.reason is None}
    assert len(hashes) == 1
