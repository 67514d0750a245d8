"""Every suite that ships: it is what its file says, and a tiny cell of it runs behind the real boundary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sqlalchemy import select
from sqlalchemy.orm import Session

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.models import ModelSpec, build
from unlearnbench.problems import datasets
from unlearnbench.problems.datasets import Dataset, digits
from unlearnbench.problems.discovery import discover as discovered
from unlearnbench.problems.grid import problems
from unlearnbench.problems.names import DATASETS, FOLDER
from unlearnbench.problems.specification import validated
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import parse
from unlearnbench.running.cases import cases
from unlearnbench.running.executors.local import Local
from unlearnbench.running.run import run_suite
from unlearnbench.running.setup import Pin, Setup
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.choosing import choose
from unlearnbench.submissions.finding import Submission, discover
from unlearnbench.system import machine

SUITES = [parse(file) for file in sorted((Path(__file__).parents[1] / "suites").glob("*.toml"))]
"""Read where tests are collected, so a suite that cannot be read fails the whole file."""
SHIPPED = pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
ADAPTS = """model = problem.expanded_original()
optimizer = problem.optimizer(model)
for batch in problem.retain.batches(problem.budget.steps):
    loss = torch.nn.functional.cross_entropy(model(batch.images), batch.labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
original = problem.original()
original.load_state_dict(original.corner_of(model))
return original"""


@cache
def stand_in(name: str) -> Dataset:
    """120 random images of the data set's shape for training, 60 for testing; each class has as many."""
    if name == "digits":
        return datasets.load(name, Path(), train_size=120, test_size=60)
    assert name in DATASETS.own or name.startswith(FOLDER)
    draw, labels = torch.Generator().manual_seed(0), torch.arange(120) % 10
    shape = (120, 1, 28, 28) if name == "fashion-mnist" else (120, 3, 32, 32)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)
    return Dataset(name, tuple("abcdefghij"), images, labels, images[:60], labels[:60])


def tiny(suite: Suite) -> Suite:
    """One problem of the suite on an original of each training, two steps each."""
    return replace(
        suite,
        corruptions=suite.corruptions[-1:],
        discovery_rates=suite.discovery_rates[:1],
        seeds=suite.seeds[:1],
        corruption=replace(suite.corruption, size=20),
        model=replace(suite.model, width=0.06),
        originals=replace(suite.originals, capacities=suite.originals.capacities[:1]),
        recipe=replace(suite.recipe, steps=2, batch_size=32),
        budget=replace(suite.budget, steps=2, batch_size=32),
        limits=replace(suite.limits, seconds=60, memory_gib=4),
        precision="float32",
    )


@SHIPPED
def test_its_stored_specification_is_all_of_it(suite: Suite) -> None:
    assert validated(Suite, json.loads(json.dumps(asdict(suite))), "stored") == suite


@SHIPPED
def test_its_settings_fit_its_data(suite: Suite) -> None:
    data = stand_in(suite.dataset)
    grid = list(problems(replace(suite, corruption=replace(suite.corruption, size=20)), data))
    # Beside the discovery rates there is 0, for methods that use no forget set.
    assert len(grid) == len(suite.corruptions) * len(suite.seeds) * (1 + len(suite.discovery_rates))
    channels, side = data.train_images.shape[1:3]
    for capacity in suite.originals.capacities:
        model = build(
            ModelSpec(**asdict(suite.model), capacity=capacity, classes=10, channels=channels, image_size=side)
        )
        assert sum(parameter.numel() for parameter in model.parameters()) > 10_000


@SHIPPED
def test_the_methods_that_it_names_are_submissions(suite: Suite) -> None:
    shipped = discover(Path(__file__).parents[1] / "submissions")
    chosen = choose(shipped, suite.methods, suite.variants)
    assert {name for item in chosen for name in (item.name, item.label)} >= set(suite.methods)


def runs() -> list[Any]:
    """The suites; those that differ from an earlier one in numbers only are slow."""
    seen, parameters = set(), []
    for suite in SUITES:
        kind = (suite.dataset, suite.model.architecture, suite.originals.trainings)
        parameters.append(pytest.param(suite, id=suite.name, marks=[pytest.mark.slow] * (kind in seen)))
        seen.add(kind)
    return parameters


@pytest.fixture(scope="module")
def boundary() -> Iterator[Boundary]:
    """One server for all suites: it takes longer to start than a tiny cell."""
    with Boundary() as boundary:
        yield boundary


@pytest.mark.parametrize("suite", runs())
def test_a_tiny_cell_of_it_runs(
    suite: Suite,
    boundary: Boundary,
    make_submission: Callable[..., Submission],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def here(
        suite: Suite, _: object, dataset: Dataset, entered: Boundary, workers: int | None, pin: Pin
    ) -> Iterator[Local]:
        setup = Setup(suite, "cpu", "float32", entered.level)
        yield Local(1, setup, machine.hardware("cpu"), boundary, cases(dataset, boundary.folder, 2))

    data = stand_in(suite.dataset)

    def loaded(*args: Any, **options: Any) -> Dataset:
        return data

    monkeypatch.setattr("unlearnbench.problems.datasets.load", loaded)
    run_suite(tiny(suite), [make_submission("adapts", ADAPTS)], store, tmp_path, executor=here)
    with Session(store.engine) as session:
        records = session.scalars(select(TrialRow)).all()
    assert [(record.state, record.reason) for record in records] == [("finished", None)] * len(records)
    assert len(records) == len(suite.originals.trainings)


@pytest.mark.parametrize(
    "suite", [suite for suite in SUITES if suite.dataset == "digits"], ids=lambda suite: suite.name
)
def test_no_pass_over_digits_ends_with_a_batch_of_a_few_images(suite: Suite) -> None:
    """BatchNorm would see nothing else: the last batch of D_f, of D_r and of D_tr has at least five."""
    samples = len(digits().train_labels)
    size = suite.corruption.size
    assert isinstance(size, int)
    found = [discovered(np.arange(size), rate, seed=0) for rate in suite.discovery_rates]
    for count in (samples, samples - size, *(len(part) for part in found), *(samples - len(part) for part in found)):
        for batch in (suite.budget.batch_size, suite.recipe.batch_size):
            assert (count % batch or batch) >= 5, count
