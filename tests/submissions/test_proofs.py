"""Each method that trains is its authors': it runs beside a reference that was written from facts about their code.

`proof` says how. REM is proven in `test_proofs_rem`, and what makes no step of its own in `test_proofs_oneshot`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.submissions.proof import FAULTS, Proof, Trace, assert_agree, places
from tests.submissions.references import (
    bad_teacher,
    confident_learning,
    cuts,
    detect_finetune,
    detect_retrain,
    fine_pruning,
    finetune,
    gradient_ascent,
    l1_sparse,
    neggrad_plus,
    npo,
    retrain,
    salun,
    scrub,
    scrub_goel,
)
from tests.submissions.references.plain import forget_and_retain
from unlearnbench import Problem, UnlearningMethod
from unlearnbench.submissions.finding import discover

Problems = Callable[..., Problem]
Modules = Callable[..., ModuleType]
NO_SCHEDULE = {"a constant schedule": "its rate is constant"}


def small(
    problems: Problems, *, samples: int = 44, forget: int = 20, steps: int = 8, stop_accuracy: float = 0.2
) -> Problem:
    """Batches of 16: D_f has two, the second of 4; D_r two, the second of 8. So a pass ends within the budget."""
    problem = problems(samples=samples, forget=forget, steps=steps, stop_accuracy=stop_accuracy, pretrain=60)
    assert problem.accuracy(problem.original(), problem.forget) >= 0.75, "there is something to unlearn"
    return replace(problem, new_model=_always_the_same(problem.new_model))


def _always_the_same(new_model: Callable[[], Any]) -> Callable[[], Any]:
    """Fresh weights do not depend on how many models were made before."""

    def make() -> nn.Module:
        torch.manual_seed(3)
        model: nn.Module = new_model()
        return model

    return make


def by_recipe(problems: Problems) -> Problem:
    """A recipe of 20 steps, 2 of warm-up."""
    problem = small(problems)
    return replace(problem, recipe=replace(problem.recipe, steps=20, peak_learning_rate=0.03))


def one_batch(problems: Problems) -> Problem:
    """D_f fits into one batch, and can be forgotten."""
    return small(problems, samples=40, forget=8)


def tens(problems: Problems) -> Problem:
    """Batches of 10: D_f has two, D_r three, the third of 4."""
    problem = small(problems)
    budget, train = replace(problem.budget, batch_size=10), replace(problem.train, batch_size=10)
    return replace(problem, budget=budget, train=train)


def half_found(problems: Problems) -> Problem:
    """Every other of the corrupted samples was discovered; the rest of them is in D_r. The recipe is `by_recipe`'s."""
    problem = by_recipe(problems)
    return replace(problem, forget_positions=problem.forget_positions[::2])


def proof(
    reference: Callable[..., Trace],
    hyperparameters: dict[str, Any],
    entry: str,
    no_place: dict[str, str],
    make: Callable[[Problems], Problem] = small,
) -> Proof:
    """The method `folder.file:Class` and the reference get the same hyperparameters."""

    def method(modules: Modules) -> UnlearningMethod:
        path, name = entry.split(":")
        result: UnlearningMethod = getattr(modules(*path.split(".")), name)(**hyperparameters)
        return result

    return Proof(method, lambda problem: reference(problem, **hyperparameters), make, no_place)


PROOFS = {
    "finetune": proof(finetune.reference, {"learning_rate": 0.05}, "finetune:FineTune", {}),
    "retrain": proof(retrain.reference, {}, "retrain:Retrain", {}, by_recipe),
    "gradient_ascent": proof(
        gradient_ascent.reference,
        {"learning_rate": 0.01, "max_passes": 100, "selection_samples": 8},
        "gradient_ascent:GradientAscent",
        NO_SCHEDULE,
    ),
    "gradient_ascent, all snapshots alike": proof(
        gradient_ascent.reference,
        {"learning_rate": 0.002, "max_passes": 3, "selection_samples": 5000},
        "gradient_ascent:GradientAscent",
        NO_SCHEDULE,
    ),
    "gradient_ascent, forgotten already": proof(
        gradient_ascent.reference,
        {"learning_rate": 0.01, "max_passes": 100, "selection_samples": 18},
        "gradient_ascent:GradientAscent",
        dict.fromkeys(FAULTS, "it makes no step"),
        partial(small, stop_accuracy=1.0),
    ),
    "npo": proof(
        npo.reference,
        {"learning_rate": 0.02, "beta": 1.0, "max_passes": 10, "selection_samples": 18},
        "npo:NPO",
        NO_SCHEDULE,
    ),
    "npo, all snapshots alike": proof(
        npo.reference,
        {"learning_rate": 0.003, "beta": 2.0, "max_passes": 4, "selection_samples": 5000},
        "npo:NPO",
        NO_SCHEDULE,
    ),
    "npo, forgotten already": proof(
        npo.reference,
        {"learning_rate": 0.02, "beta": 1.0, "max_passes": 10, "selection_samples": 18},
        "npo:NPO",
        NO_SCHEDULE | {"a new optimizer for each pass": "it makes one pass"},
        partial(small, stop_accuracy=1.0),
    ),
    "npo/frozen_batchnorm": proof(
        npo.reference,
        {"learning_rate": 0.02, "beta": 1.0, "max_passes": 10, "selection_samples": 18, "frozen": True},
        "npo:NPO",
        NO_SCHEDULE | {"frozen BatchNorm": "that is what the variant is"},
    ),
    "neggrad_plus": proof(
        neggrad_plus.reference, {"learning_rate": 0.02, "alpha": 0.8}, "neggrad_plus:NegGradPlus", NO_SCHEDULE, tens
    ),
    "scrub": proof(
        scrub.reference,
        {"learning_rate": 0.02, "alpha": 0.5, "gamma": 0.9, "temperature": 4.0, "max_passes": 2},
        "scrub:SCRUB",
        NO_SCHEDULE,
        partial(small, steps=11),
    ),
    "scrub_goel": proof(
        scrub_goel.reference,
        {"learning_rate": 0.02, "alpha": 0.1, "temperature": 4.0, "max_passes": 2},
        "scrub.goel:SCRUBGoel",
        {},
        partial(small, steps=11),
    ),
    "bad_teacher": proof(bad_teacher.reference, {"learning_rate": 0.05}, "bad_teacher:BadTeacher", NO_SCHEDULE),
    "bad_teacher/goel": proof(
        bad_teacher.reference,
        {"learning_rate": 0.05, "retained": 1.0, "decay": True},
        "bad_teacher:BadTeacher",
        {},
    ),
    "salun": proof(
        salun.reference, {"learning_rate": 0.02, "mask": 0.5}, "salun:SalUn", NO_SCHEDULE, partial(small, steps=9)
    ),
    "l1_sparse": proof(l1_sparse.reference, {"learning_rate": 0.05, "gamma": 0.01}, "l1_sparse:L1Sparse", NO_SCHEDULE),
    "cuts": proof(
        cuts.reference,
        {"learning_rate": 0.05, "passes": 4, "forgets": False},
        "cuts:CUTS",
        NO_SCHEDULE,
    ),
    "cuts/forgets": proof(
        cuts.reference,
        {"learning_rate": 0.2, "passes": 8, "forgets": True},
        "cuts:CUTS",
        NO_SCHEDULE,
        one_batch,
    ),
    "detect_retrain": proof(
        detect_retrain.reference,
        {"components": 32, "price": 0.05, "largest": 0.5},
        "detect_retrain:DetectRetrain",
        {},
        half_found,
    ),
    "detect_finetune": proof(
        detect_finetune.reference,
        {"learning_rate": 0.05, "components": 32, "price": 0.05, "largest": 0.5},
        "detect_retrain.finetune:DetectFinetune",
        {},
        half_found,
    ),
    "confident_learning": proof(
        confident_learning.reference, {"folds": 3}, "confident_learning:ConfidentLearning", {}, half_found
    ),
    "fine_pruning": proof(
        fine_pruning.reference,
        {"learning_rate": 0.05, "max_drop": 0.1, "selection_samples": 5000},
        "fine_pruning:FinePruning",
        NO_SCHEDULE,
    ),
}
_EXPECTED: dict[str, Trace] = {}


def expected(label: str, problems: Problems) -> Trace:
    if label not in _EXPECTED:
        _EXPECTED[label] = PROOFS[label].expected(problems)
    return _EXPECTED[label]


@pytest.mark.parametrize("label", PROOFS)
def test_it_agrees_after_every_step(label: str, residual: Problems, module: Modules) -> None:
    trace = PROOFS[label].submitted(residual, module)
    assert_agree(trace, expected(label, residual))


def test_the_rate_warms_up(residual: Problems, module: Modules) -> None:
    long = replace(PROOFS["finetune"], make=partial(small, steps=104))  # one step of warm-up
    assert_agree(long.submitted(residual, module), long.expected(residual))


@pytest.mark.parametrize(("label", "fault"), places(PROOFS))
def test_a_planted_fault_is_noticed(label: str, fault: str, residual: Problems, module: Modules) -> None:
    trace = PROOFS[label].submitted(residual, module, FAULTS[fault])
    with pytest.raises(AssertionError):
        assert_agree(trace, expected(label, residual))


@pytest.mark.parametrize(
    ("label", "fault"), [(label, fault) for label, proof in PROOFS.items() for fault in proof.no_place]
)
def test_a_fault_without_a_place_changes_nothing(label: str, fault: str, residual: Problems, module: Modules) -> None:
    trace = PROOFS[label].submitted(residual, module, FAULTS[fault])
    assert_agree(trace, expected(label, residual))


def test_the_problems_leave_something_to_choose(residual: Problems) -> None:
    ascents = [expected(label, residual) for label in ("gradient_ascent", "npo", "npo/frozen_batchnorm")]
    assert all(len(trace.steps) > 2 for trace in ascents)
    assert any(not torch.equal(trace.final["linear.weight"], trace.steps[-1]["linear.weight"]) for trace in ascents)


def test_cuts_scores_as_its_authors_do(module: Modules) -> None:
    random = np.random.default_rng(1)
    scores = []
    for samples, classes in ((40, 3), (30, 10), (24, 4), (60, 2)) * 5:
        head = random.normal(size=(classes, 6))
        features = random.normal(size=(samples, 6)) + 2 * head[random.integers(classes, size=samples)]
        last = torch.nn.Linear(6, classes, bias=False)
        last.weight.data = torch.tensor(head, dtype=torch.float32)
        k = max(1, samples // classes // 2)
        found = module("cuts").agreement(torch.tensor(features, dtype=torch.float32), last, k)
        scores.append(cuts.agreement(features, head))
        assert found == pytest.approx(scores[-1], abs=1e-5)
    assert len({round(score, 3) for score in scores}) > 10
    one_class = np.abs(random.normal(size=(9, 6)))
    head = np.array([[1.0] * 6, [-1.0] * 6])
    last = torch.nn.Linear(6, 2, bias=False)
    last.weight.data = torch.tensor(head, dtype=torch.float32)
    assert module("cuts").agreement(torch.tensor(one_class, dtype=torch.float32), last, 2) == float("-inf")
    assert cuts.agreement(one_class, head) < -1e6  # neither is ever the best


def test_cuts_scores_models_on_the_proxy_s_images(module: Modules, residual: Problems) -> None:
    problem = small(residual)
    forget, _ = forget_and_retain(problem)
    for alpha in (0.0, 0.1, 2.0):
        model = cuts.edited(problem, problem.new_model().state_dict(), alpha)
        found = module("cuts").CUTS().score(problem, model)
        assert found == pytest.approx(cuts.agreement(*cuts.features(model, forget.x)), abs=1e-5)


def test_cuts_searches_as_its_authors_do(module: Modules, residual: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    monkeypatch.setattr(module("cuts"), "negated", lambda *_: None)
    for falls, peak_is_missed in [(9, False), (10, True), (11, True)] * 5:
        steps = random.choice([1, 0], size=81)  # equal scores too
        first = random.integers(1, 30)
        steps[first : first + falls] = -1
        steps[first + falls + 1 :: 2] = 1  # in the end it is higher than ever
        scores = steps.cumsum().astype(float)
        monkeypatch.setattr(
            module("cuts").CUTS, "score", staticmethod(partial(lambda left, *_: next(left), iter(scores)))
        )
        chosen = cuts.best(partial(lambda scores, alpha: float(scores[round(20 * alpha)]), scores))
        assert module("cuts").CUTS().agreeing(residual(), None) == pytest.approx(chosen)
        assert (scores[round(20 * chosen)] < scores.max()) == peak_is_missed


def test_every_submission_is_proven() -> None:
    tests = [
        importlib.import_module(f"tests.submissions.{file.stem}")
        for file in Path(__file__).parent.glob("test_proofs*.py")
    ]
    tables = [table for test in tests for table in vars(test).values() if isinstance(table, dict)]
    proven = {label.split(",")[0] for table in tables for label, row in table.items() if isinstance(row, Proof)}
    root = Path(__file__).parents[2]
    shipped = {item.label for item in discover(root / "submissions") if item.folder}
    tuned_on = "|".join(suite.stem.replace("-", "_") for suite in (root / "suites").glob("*.toml"))
    assert {re.sub(f"[/_]({tuned_on})$", "", label) for label in shipped} - proven == set()


def test_each_fault_that_has_no_place_is_a_fault() -> None:
    assert all(proof.no_place.keys() <= FAULTS.keys() for proof in PROOFS.values())
