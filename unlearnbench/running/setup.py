"""A suite together with the device, precision and isolation level that its trials run with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.boundary.request import Request
from unlearnbench.errors import UsageError
from unlearnbench.models import ModelSpec
from unlearnbench.problems.case import Case
from unlearnbench.problems.corruption import Indices
from unlearnbench.problems.suite import OriginalSpec, Suite
from unlearnbench.store.results import runs_of_suite, suites
from unlearnbench.store.store import Store

Pin = Callable[[Suite, str], Suite]
"""Gives a suite the precision that it has on a device."""


def unpinned(suite: Suite, device: str) -> Suite:
    """The suite as it is, for where no store has a say."""
    return suite


def pinned(suite: Suite, device: str, store: Store) -> Suite:
    """The suite in the precision that `auto` meant in its newest run in the store on this kind of device.

    Precision is in the keys of trials, so a machine that is measured anew must not split a seed.
    """
    if suite.precision != "auto" or suite.name not in suites(store.engine):
        return suite
    for run in runs_of_suite(store.engine, suite.name):
        same_device = (run.hardware.get("device") == "cpu") == (device == "cpu")
        if same_device and run.suite_specification.get("precision") == "auto":
            chosen: Any = run.precision
            return replace(suite, precision=chosen)
    return suite


@dataclass(frozen=True)
class Setup:
    """A suite and how it runs here. `precision` is already resolved, never `auto`.

    Raises:
        UsageError: the suite is audited, and trials would run at a level where they could read its secret seeds.
    """

    suite: Suite
    device: str
    precision: str
    isolation: Isolation

    def __post_init__(self) -> None:
        if self.suite.commitment is not None and self.isolation != "strict":
            raise UsageError(
                f"suite '{self.suite.name}' has secret seeds, which a trial at level '{self.isolation}' could read:"
                " use --isolation strict"
            )

    def model(self, case: Case, original: OriginalSpec) -> ModelSpec:
        images = case.dataset.train_images  # [N, C, S, S]
        return ModelSpec(
            architecture=self.suite.model.architecture,
            width=self.suite.model.width,
            capacity=original.capacity,
            classes=len(case.dataset.classes),
            channels=images.shape[1],
            image_size=images.shape[-1],
        )

    def request(self, case: Case, original: OriginalSpec, *, entry: str, seed: int, forget: Indices) -> Request:
        """A request to run `entry` on a case within the limits of the suite. It has no original."""
        suite = self.suite
        assert case.file is not None, "the case was laid out for trials"
        return Request(
            entry=entry,
            training_set=str(case.file),
            forget=forget.tolist(),
            model=self.model(case, original),
            pipeline=case.pipeline(suite.recipe),
            budget=suite.budget,
            recipe=suite.recipe_of(original),
            seed=seed,
            threads=suite.threads,
            precision=self.precision,
            device=self.device,
            seconds=suite.limits.seconds,
            memory_bytes=round(suite.limits.memory_gib * 2**30),
        )

    def autocast(self) -> torch.autocast:
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bfloat16")
