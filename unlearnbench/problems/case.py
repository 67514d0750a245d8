"""A case: one corrupted training set with the truth about it. All of its problems differ in discovery rate alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from unlearnbench.contract.images import Pipeline
from unlearnbench.contract.recipe import Recipe
from unlearnbench.errors import HarnessError
from unlearnbench.problems.corruption import CorruptedSet, Images, Labels, trigger
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.grid import CaseSpec


@dataclass(frozen=True, eq=False)
class Case:
    """A corrupted training set as the harness holds it.

    Attributes:
        dataset: the clean data that it was made of, with the test set.
        truth: what the original is trained on, and which of it is wrong.
        file: where the public part of `truth` lies for trials; None where none runs.
    """

    spec: CaseSpec
    dataset: Dataset = field(repr=False)
    truth: CorruptedSet = field(repr=False)
    file: Path | None = None

    def pipeline(self, recipe: Recipe) -> Pipeline:
        mean, std = self.dataset.normalisation
        return Pipeline(mean, std, recipe.crop_padding, recipe.flip, pinned=self.spec.trigger_size)

    @property
    def test_labels(self) -> Labels:
        """The true labels of the test set, int64 [N]."""
        labels: Labels = self.dataset.test_labels.numpy()
        return labels

    def triggered_test(self) -> Images | None:
        """The test images uint8 [N, C, S, S] with the trigger; None if the corruption has none."""
        if not self.spec.rules.triggered:
            return None
        return trigger(self.dataset.test_images.numpy(), self.spec.trigger_size)


def build(spec: CaseSpec, dataset: Dataset) -> Case:
    """The case of a specification.

    Raises:
        HarnessError: it was specified for other data than these.
    """
    if dataset.fingerprint != spec.data_fingerprint:
        raise HarnessError(
            f"data set '{spec.dataset}' is another one here ({dataset.fingerprint[:12]} instead of"
            f" {spec.data_fingerprint[:12]})"
        )
    return Case(spec, dataset, spec.corrupted_set(dataset))
