"""A case: one corrupted training set with its ground truth. Its problems differ only in the discovery rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from unlearnbench.contract.images import Pipeline
from unlearnbench.contract.recipe import Recipe
from unlearnbench.errors import HarnessError
from unlearnbench.problems.corruption import CleanTest, CorruptedSet, Images
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.grid import CaseSpec


@dataclass(frozen=True, eq=False)
class Case:
    """A corrupted training set with its ground truth. Only the harness sees it.

    Attributes:
        dataset: the clean data set, including the test set.
        truth: the corrupted training set, the true labels and the indices of the corrupted samples.
        file: file with the public part of `truth`, for trials to read. None if no trials run.
    """

    spec: CaseSpec
    dataset: Dataset = field(repr=False)
    truth: CorruptedSet = field(repr=False)
    file: Path | None = None

    def pipeline(self, recipe: Recipe) -> Pipeline:
        mean, std = self.dataset.normalisation
        return Pipeline(mean, std, recipe.crop_padding, recipe.flip, pinned=self.spec.trigger_size)

    @cached_property
    def test(self) -> CleanTest:
        """The clean test set, and what the corruption says about it."""
        return self.spec.clean_test(self.dataset)

    def triggered_test(self) -> Images | None:
        """Test images with the pattern, uint8 [N, C, S, S]. None if the corruption has none."""
        return self.spec.with_pattern(self.dataset.test_images.numpy()) if self.spec.rules.triggered else None


def build(spec: CaseSpec, dataset: Dataset) -> Case:
    """Build the case from its specification.

    Raises:
        HarnessError: the fingerprint of the data set differs from the specified one.
    """
    if dataset.fingerprint != spec.data_fingerprint:
        raise HarnessError(
            f"data set '{spec.dataset}' differs on this machine (fingerprint {dataset.fingerprint[:12]}, expected"
            f" {spec.data_fingerprint[:12]})"
        )
    return Case(spec, dataset, spec.corrupted_set(dataset))
