"""A trial's key changes with everything that can change its result, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unlearnbench import Budget
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.problems.datasets import load
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import CorruptionSettings, Limits, Model, Originals, Suite
from unlearnbench.running.plan import PlannedTrial, plan
from unlearnbench.running.setup import Setup
from unlearnbench.submissions.finding import Submission


@pytest.fixture
def planned(tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path) -> Callable[..., Any]:
    submission = make_submission("mine", "return problem.original()")
    dataset = load("digits", tmp_path, train_size=200, test_size=60)

    def first(
        precision: str = "float32", source: str | None = None, isolation: Isolation = "process", **changes: Any
    ) -> PlannedTrial:
        item = submission if source is None else replace(submission, source_hash=source)
        suite = replace(tiny_suite, **changes)
        return plan(Setup(suite, "cpu", precision, isolation), dataset, [item])[0]

    return first


CHANGES: dict[str, dict[str, Any]] = {
    "budget": {"budget": Budget(steps=5, batch_size=50, learning_rate=0.01)},
    "limits": {"limits": Limits(seconds=61, memory_gib=4)},
    "size": {"corruption": CorruptionSettings(size=21)},
    "corruption": {"corruptions": ("random-swap",)},
    "rate": {"discovery_rates": (0.6,)},
    "model": {"model": Model(width=0.1)},
    "capacity": {"originals": Originals(capacities=(1.0,))},
    "training": {"originals": Originals(trainings=("tied-dropout",))},
    "paper": {"paper": True},
    "false discovery": {"false_discovery": 0.2},
    "threads": {"threads": 2},
    "precision": {"precision": "bfloat16"},
    "source": {"source": "0" * 64},
    "isolation": {"isolation": "strict"},
    "corruption seed": {"seeds": (Seeds(1, 0, 0),)},
    "training seed": {"seeds": (Seeds(0, 1, 0),)},
    "unlearning seed": {"seeds": (Seeds(0, 0, 1),)},
}


def test_every_change_gives_another_key(planned: Callable[..., PlannedTrial]) -> None:
    keys = {planned().key} | {planned(**change).key for change in CHANGES.values()}
    assert len(keys) == 1 + len(CHANGES)


@pytest.mark.parametrize("same", [{"title": "Other words"}, {"low_utility": "absolute"}, {"seeds": (Seeds.all(0),)}])
def test_words_give_the_same_key(planned: Callable[..., PlannedTrial], same: dict[str, Any]) -> None:
    assert planned(**same).key == planned().key


GOLDEN = {
    "default": "59e028df91c4d5f76e4d3126205e363c7ef1f060bfb761150e20b1b56509fde6",
    "budget": "a2f2e93623276f4cb7ab84d1de473f5c3a16af67fc1afd93f7ba1a56e473ae67",
    "isolation": "9f94308b533673d65a8abb14c0ef2296a08431103e43ad7e63aaf4ef9480a1b6",
}
"""These keys stay. Stored boards rest on them: what changes them makes all records stale, and is a new protocol."""


@pytest.mark.parametrize("name", GOLDEN)
def test_keys_survive_the_growth_of_settings(tiny_suite: Suite, tmp_path: Path, name: str) -> None:
    submission = Submission(
        name="mine",
        variant="default",
        title="",
        authors=(),
        paper="",
        license="",
        entry="method:Method",
        role="ranked",
        needs_corrupted_indices=False,
        needs_tied_dropout=False,
        needs_forget_set=True,
        hyperparameters={"rate": 0.1},
        search={},
        folder=None,
        source_hash="0" * 64,
    )
    dataset = load("digits", tmp_path, train_size=200, test_size=60)
    changes = CHANGES.get(name, {}).copy()
    isolation: Isolation = changes.pop("isolation", "process")
    suite = replace(tiny_suite, **changes)
    (trial,) = plan(Setup(suite, "cpu", "float32", isolation), dataset, [submission])
    assert trial.key == GOLDEN[name]


def test_a_method_without_a_forget_set_is_run_once_on_each_original(
    tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path
) -> None:
    submission = make_submission("mine", "return problem.original()")
    dataset = load("digits", tmp_path, train_size=200, test_size=60)
    suite = replace(tiny_suite, discovery_rates=(0.1, 0.5), seeds=(0, 1))
    without = replace(submission, needs_forget_set=False)
    trials = plan(Setup(suite, "cpu", "float32", "process"), dataset, [submission, without])
    rates: dict[bool, list[tuple[int, float]]] = {True: [], False: []}
    for trial in trials:
        rates[trial.submission.needs_forget_set].append((trial.problem.case.seed, trial.problem.discovery_rate))
    assert rates == {True: [(0, 0.1), (0, 0.5), (1, 0.1), (1, 0.5)], False: [(0, 0.0), (1, 0.0)]}
    assert len({trial.original.key for trial in trials}) == 2
    assert len({trial.submission_key for trial in trials}) == 2, "what it is given is part of what it is"


def test_an_original_is_shared_by_rates_budgets_methods_and_unlearning_seeds(
    planned: Callable[..., PlannedTrial],
) -> None:
    base = planned().original.key
    for name in ("budget", "limits", "rate", "false discovery", "source", "isolation", "unlearning seed"):
        assert planned(**CHANGES[name]).original.key == base, name
    for name in (
        "size",
        "corruption",
        "model",
        "capacity",
        "training",
        "paper",
        "precision",
        "corruption seed",
        "training seed",
    ):
        assert planned(**CHANGES[name]).original.key != base, name
