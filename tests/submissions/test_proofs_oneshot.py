"""The methods that make no step are those of their authors, and so is the training of originals, on which they stand.

What SSD's family, SAP and ETD return is held against a reference, as in `test_proofs`. Oracle and original train by the
recipe: there all weights and statistics agree after every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.submissions.problems import small
from tests.submissions.proof import FAULTS, Proof, Trace, assert_agree, places
from tests.submissions.references import etd, sap, ssd
from unlearnbench import Batch, ImageSet, Problem, UnlearningMethod
from unlearnbench.models.training import TrainOriginal

Problems = Callable[..., Problem]
Modules = Callable[..., ModuleType]


@contextmanager
def training_mode() -> Iterator[None]:
    """In evaluation mode too BatchNorm goes by the statistics of the batch; its running ones stay."""
    trained = nn.BatchNorm2d.forward

    def forward(self: nn.BatchNorm2d, images: Tensor) -> Tensor:
        if self.training:
            return trained(self, images)
        return functional.batch_norm(images, None, None, self.weight, self.bias, True, 0.0, self.eps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.BatchNorm2d, "forward", forward)
        yield


@contextmanager
def other_batches(changed: Callable[[Iterator[Batch]], Iterator[Batch]]) -> Iterator[None]:
    batches = ImageSet.batches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageSet, "batches", lambda *args, **kwargs: changed(batches(*args, **kwargs)))
        patch.setattr(ImageSet, "steps_per_pass", property(lambda self: sum(1 for _ in self.batches())))
        yield


def weighed(batches: Iterator[Batch]) -> Iterator[Batch]:
    for batch in batches:
        for _ in range(len(batch)):
            yield batch


def joined(batches: Iterator[Batch]) -> Iterator[Batch]:
    parts = list(batches)
    yield Batch(*(torch.cat([getattr(part, name) for part in parts]) for name in ("images", "labels", "ids")))


ONE_SHOT_FAULTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "BatchNorm in training mode": training_mode,
    "a batch counts by its samples": partial(other_batches, weighed),
    "one batch of everything": partial(other_batches, joined),
}
"""What every proof of a method that measures something and makes no step must notice, if it has the place.

A loss C times too large has none: what is compared are ratios of importances.
"""


def dead(problems: Problems, **changes: Any) -> Problem:
    """The last layer does not read one of its inputs: what leads there alone has no gradient on any sample."""
    problem = small(problems, **changes)
    problem.original_weights["linear.weight"][:, 1] = 0
    return problem


def proof(
    reference: Callable[..., Trace],
    hyperparameters: dict[str, Any],
    entry: str,
    make: Callable[[Problems], Problem] = small,
    no_place: dict[str, str] | None = None,
) -> Proof:
    """The method of `folder.file:Class` and the reference get the same hyperparameters."""

    def method(modules: Modules) -> UnlearningMethod:
        path, name = entry.split(":")
        result: UnlearningMethod = getattr(modules(*path.split(".")), name)(**hyperparameters)
        return result

    return Proof(method, lambda problem: reference(problem, **hyperparameters), make, no_place or {})


NOTHING_MEASURED = dict.fromkeys(ONE_SHOT_FAULTS, "it measures nothing")
SUMS = dict.fromkeys(
    ("a batch counts by its samples", "one batch of everything"),
    "R holds the vectors of all samples, however they come",
)
ONE_SHOT = {
    "original": proof(etd.reference, {}, "original:Original", small, NOTHING_MEASURED),
    "etd": proof(etd.reference, {}, "etd:ETD", small, NOTHING_MEASURED),
    "etd/recalibrated": proof(
        etd.reference,
        {"recalibrate": True},
        "etd:ETD",
        small,
        {"BatchNorm in training mode": "it is in training mode, which is what the statistics are collected in"},
    ),
    "ssd": proof(ssd.ssd, {"alpha": 1.5, "weight": 0.7}, "ssd:SSD"),
    "lfssd": proof(ssd.lfssd, {"alpha": 1.2, "weight": 0.8}, "ssd.lfssd:LFSSD"),
    "assd": proof(ssd.assd, {"weight": 1.0}, "ssd.assd:ASSD"),
    "potion": proof(ssd.potion, {"rho": 0.75, "max_tries": 60, "growth": 2.0}, "ssd.potion:Potion"),
    "potion/rem_search": proof(
        ssd.potion,
        {"rho": 0.2, "max_tries": 50, "growth": 2.0, "start": 1.0, "stop": True},
        "ssd.potion:Potion",
        partial(small, stop_accuracy=0.8),
    ),
    "sap": proof(sap.reference, {"alpha": 1e5, "trusted": 20}, "sap:SAP", small, SUMS),
}
EDGES = {
    "ssd, alpha below lambda": proof(ssd.ssd, {"alpha": 0.5, "weight": 1.2}, "ssd:SSD", dead),
    "assd, dead weights": proof(ssd.assd, {"weight": 1.0}, "ssd.assd:ASSD", dead),
    "potion, dead weights": proof(ssd.potion, {"rho": 0.95, "max_tries": 60, "growth": 2.0}, "ssd.potion:Potion", dead),
    "potion, tries run out": proof(ssd.potion, {"rho": 0.0, "max_tries": 5}, "ssd.potion:Potion"),
    "sap, few directions": proof(sap.reference, {"alpha": 30.0, "trusted": 20}, "sap:SAP"),
}


def to_train(problems: Problems, corrupted: int | None = None, **recipe: Any) -> Problem:
    """Fresh weights; 20 steps, 2 of warm-up, in which a pass of four batches ends five times."""
    problem = small(problems, corrupted=corrupted)
    return replace(problem, recipe=replace(problem.recipe, steps=20, peak_learning_rate=0.03, **recipe))


TRAINED = {
    "training of an original": Proof(lambda _: TrainOriginal(), etd.trained, to_train, {}),
    "training with tied dropout": Proof(
        lambda _: TrainOriginal(), etd.trained, partial(to_train, tied_dropout=0.4, shared=1 / 3), {}
    ),
    "oracle": proof(etd.oracle, {}, "oracle:Oracle", partial(to_train, corrupted=24)),
}


@pytest.fixture(scope="module")
def expected() -> dict[str, Trace]:
    """What the references did: each runs once."""
    return {}


@pytest.mark.parametrize("label", ONE_SHOT | TRAINED | EDGES)
def test_it_agrees(label: str, expected: dict[str, Trace], residual: Problems, module: Modules) -> None:
    row = (ONE_SHOT | TRAINED | EDGES)[label]
    expected[label] = row.expected(residual)
    assert_agree(row.submitted(residual, module), expected[label])


@pytest.mark.parametrize(
    ("label", "fault"),
    [
        *((label, fault) for label, row in ONE_SHOT.items() for fault in ONE_SHOT_FAULTS if fault not in row.no_place),
        *places(TRAINED),
    ],
)
def test_a_planted_fault_is_noticed(
    label: str, fault: str, expected: dict[str, Trace], residual: Problems, module: Modules
) -> None:
    row = (ONE_SHOT | TRAINED)[label]
    faulty = row.submitted(residual, module, (ONE_SHOT_FAULTS | FAULTS)[fault])
    wanted = expected.get(label) or row.expected(residual)
    with pytest.raises(AssertionError):
        assert_agree(faulty, wanted)


@pytest.mark.parametrize(
    ("label", "fault"),
    [
        (label, fault)
        for label, row in ONE_SHOT.items()
        for fault in row.no_place
        if (label, fault) != ("sap", "a batch counts by its samples")  # it would have more losses than samples
    ],
)
def test_a_fault_without_a_place_changes_nothing(
    label: str, fault: str, expected: dict[str, Trace], residual: Problems, module: Modules
) -> None:
    row = ONE_SHOT[label]
    trace = row.submitted(residual, module, ONE_SHOT_FAULTS[fault])
    assert_agree(trace, expected.get(label) or row.expected(residual))


@pytest.mark.parametrize("entry", ["oracle:Oracle", "rem.ablations:Ideal"])
def test_who_needs_all_corrupted_samples_must_be_told(entry: str, module: Modules, residual: Problems) -> None:
    path, name = entry.split(":")
    with pytest.raises(AssertionError, match="corrupted indices"):
        getattr(module(*path.split(".")), name)().unlearn(small(residual))


def test_what_d_f_alone_uses_becomes_zero(linear: Problems, module: Modules) -> None:
    """Its ratio is infinite: it has no part in the percentile, but is always selected."""

    def blind(problems: Problems) -> Problem:
        problem = problems(pretrain=200)
        problem.train.images[8:, 0, 0, 0] = 102  # the mean: D_r sees nothing there
        return problem

    row = proof(ssd.potion, {"rho": 0.5, "max_tries": 60, "growth": 2.0}, "ssd.potion:Potion", blind)
    one, two = row.submitted(linear, module), row.expected(linear)
    assert_agree(one, two)
    assert not two.final["linear.weight"][:, 0].any()
    assert two.final["linear.weight"].any()
