"""REM and its ablations are those of its authors: each runs beside a reference, as in `test_proofs`.

The reference drops new channels by gates of zeros, the submission by running the old ones alone. So dropped batches
move the BatchNorm statistics of new channels there and not here. Only those are left out: in training mode they
have no part in any result, and what is returned does not hold them. All else is compared after every step: all weights
of the wide model, new channels' too, and the statistics of the old channels and of those inside of residual blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.submissions.problems import small
from tests.submissions.proof import FAULTS, Proof, Trace, assert_agree, places, state
from tests.submissions.references import rem
from unlearnbench import Classifier, Problem, UnlearningMethod
from unlearnbench.models.training import train
from unlearnbench.models.vit_small import ViTSmall

Problems = Callable[..., Problem]
Modules = Callable[..., ModuleType]


@dataclass(frozen=True)
class ProofOfREM(Proof):
    """Leaves out the statistics of new channels."""

    def submitted(
        self,
        problems: Problems,
        modules: Modules,
        fault: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Trace:
        return compared(super().submitted(problems, modules, fault))

    def expected(self, problems: Problems) -> Trace:
        return compared(super().expected(problems))


def compared(trace: Trace) -> Trace:
    def part(name: str, tensor: Tensor) -> Tensor:
        return tensor[: len(trace.final[name])] if "running" in name else tensor

    return Trace([{name: part(name, tensor) for name, tensor in step.items()} for step in trace.steps], trace.final)


rounds = partial(small, steps=6)
"""Two rounds, of which the second has two steps."""


def on_tied_dropout(problems: Problems) -> Problem:
    """The original is a third of a model that was trained with masks of its own, which goes on with them."""
    problem = rounds(problems)
    recipe = replace(problem.recipe, steps=50, tied_dropout=0.5, shared=1 / 3)
    model = problem.original()
    wide = train(model, problem.train, recipe)
    assert wide is not None
    return replace(problem, recipe=recipe, original_weights=state(model), expanded_weights=state(wide))


def on_a_transformer(problems: Problems) -> Problem:
    """Gates are on the channels of its MLPs; there is no BatchNorm."""
    problem = rounds(problems, stop_accuracy=0.1)

    def new_model() -> Classifier:
        torch.manual_seed(5)
        return ViTSmall(3, 1, 16, width=1 / 16)

    model = new_model()
    train(model, problem.train, replace(problem.recipe, steps=10))
    return replace(problem, new_model=new_model, original_weights=state(model))


def proof(name: rem.Name, entry: str, make: Callable[[Problems], Problem] = rounds, **hyperparameters: Any) -> Proof:
    """The method of `file:Class` and the reference get the same hyperparameters."""
    given = {"learning_rate": 0.05, "share": 0.4, "max_flush_passes": 1, "selection_samples": 24} | hyperparameters

    def method(modules: Modules) -> UnlearningMethod:
        file, class_ = entry.split(":")
        result: UnlearningMethod = getattr(modules("rem", file), class_)(**given)
        return result

    constant = {"a constant schedule": "the rate is constant"}
    return ProofOfREM(method, lambda problem: rem.reference(problem, name, **given), make, constant)


PROOFS = {
    "rem": proof("REM", "method:REM"),
    "rem/no_removal": proof("NPOREMMOD", "ablations:NoRemoval"),
    "rem/no_redirection": proof("REMGEN", "ablations:NoRedirection"),
    "rem/cross_entropy": proof("NPORT", "ablations:CrossEntropy"),
    "rem/ascent": proof("REMMOD", "ablations:Ascent", learning_rate=0.02),
    "rem/ideal": proof("REMIDEAL", "ablations:Ideal", partial(rounds, corrupted=24)),
    "rem/shared": proof("REM", "ablations:SharedMemory", share=0.2, shared=0.3),
}
EDGES = {
    "rem, flushed until forgotten": proof(
        "REM", "method:REM", partial(small, steps=10, stop_accuracy=0.7), max_flush_passes=100
    ),
    "rem, beta": proof("REM", "method:REM", beta=0.5, max_flush_passes=2),
    "rem, the best is not the last": proof("REM", "method:REM", partial(small, steps=10, pretrain=60)),
    "rem on tied dropout": proof("REM", "method:REM", on_tied_dropout, share=0.1),
    "rem, on a transformer": proof("REM", "method:REM", on_a_transformer),
    "rem/shared, all of them": proof("REM", "ablations:SharedMemory", share=0.2, shared=1.0),
}
FIRST_COUNTS = ("rem/no_redirection", "rem/cross_entropy", "rem/ideal")
"""Their first snapshot need not be better than the original."""


@pytest.fixture(scope="module")
def expected() -> dict[str, Trace]:
    """What the references did: each runs once."""
    return {}


@pytest.mark.parametrize("label", PROOFS | EDGES)
def test_it_agrees_after_every_step(
    label: str, expected: dict[str, Trace], residual: Problems, module: Modules
) -> None:
    proof = (PROOFS | EDGES)[label]
    expected[label] = proof.expected(residual)
    assert_agree(proof.submitted(residual, module), expected[label])


@pytest.mark.parametrize(("label", "fault"), places(PROOFS))
def test_a_planted_fault_is_noticed(
    label: str, fault: str, expected: dict[str, Trace], residual: Problems, module: Modules
) -> None:
    faulty = PROOFS[label].submitted(residual, module, FAULTS[fault])
    wanted = expected.get(label) or PROOFS[label].expected(residual)
    with pytest.raises(AssertionError):
        assert_agree(faulty, wanted)


def test_a_fault_without_a_place_changes_nothing(
    expected: dict[str, Trace], residual: Problems, module: Modules
) -> None:
    """The rate is constant, of REM and so of what derives from it."""
    row = PROOFS["rem"]
    for fault in row.no_place:
        assert_agree(row.submitted(residual, module, FAULTS[fault]), expected.get("rem") or row.expected(residual))


@pytest.mark.parametrize("label", PROOFS)
def test_the_last_model_is_returned_or_the_first_snapshot(label: str, residual: Problems, module: Modules) -> None:
    """Of an original that no snapshot beats; the first of them is the best."""
    row = replace(PROOFS[label], make=partial(rounds, pretrain=30, corrupted=24))
    trace = row.submitted(residual, module)
    assert_agree(trace, row.expected(residual))
    wide = trace.steps[3 if label in FIRST_COUNTS else -1]
    parts = {name: wide[name][tuple(slice(size) for size in tensor.shape)] for name, tensor in trace.final.items()}
    assert all(torch.equal(tensor, parts[name]) for name, tensor in trace.final.items())
