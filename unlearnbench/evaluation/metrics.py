"""The metrics of a trial, all in [0, 1] (docs/protocol.md, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearnbench.evaluation.predictions import Predictions
from unlearnbench.problems.corruption import CleanTest, CorruptedSet, Corruption, Indices, Labels, Mask

MEMORISED = 0.8
"""Fraction of the corrupted samples that an original must have memorised for its repair to be meaningful."""


@dataclass(frozen=True)
class Metrics:
    """Metrics of a trial. A metric is None if there are no samples to measure it on."""

    healed_train: float
    """Fraction of D_m that is given its true label."""
    healed_discovered: float | None
    """The same for D_f. None if the method uses no forget set."""
    healed_undiscovered: float | None
    """The same for D_m without D_f. None if everything was discovered."""
    misled_discovered: float | None
    """Fraction of the mislabelled samples of D_f that are given their wrong label of D_tr."""
    misled_undiscovered: float | None
    """The same for D_m without D_f."""
    attack_success: float | None
    """Fraction of the test images, with the pattern if there is one, that are given the label of the corruption. None
    if the corruption has no fixed wrong label, as for random label swaps."""
    healed_test: float
    """Accuracy on the test images of `Corruption.healed_test`, with the pattern if there is one."""
    utility: float
    """Accuracy on the clean test images of `Corruption.utility_test`."""
    utility_train: float
    """Accuracy on the clean samples of D_tr."""
    selection_score: float | None
    """Acc(D_r) (1 - max(Acc(D_f), gamma)) on the labels of D_tr, with the found set as D_f: the published criterion
    without clean data. None if the method uses no forget set."""

    @property
    def aggregate(self) -> float:
        """The paper's "Utility x Healed"."""
        return self.healed_train * self.utility


def accuracy(predicted: Labels, true: Labels, where: Mask | Indices) -> float:
    """Accuracy on the selected samples.

    Raises:
        ValueError: no sample is selected.
    """
    share = accuracy_if_any(predicted, true, where)
    if share is None:
        raise ValueError("an accuracy needs at least one sample")
    return share


def accuracy_if_any(predicted: Labels, true: Labels, where: Mask | Indices) -> float | None:
    """Accuracy on the selected samples, or None if no sample is selected."""
    chosen = predicted[where] == true[where]
    return float(chosen.mean()) if len(chosen) else None


def metrics(
    predictions: Predictions,
    truth: CorruptedSet,
    found: Indices,
    test: CleanTest,
    stop_accuracy: float,
) -> Metrics:
    """Compute all metrics of a trial.

    Args:
        found: the found set, positions in D_tr, int64: D_f, and clean samples that were taken for corrupted. Empty
            for a method that uses no forget set.
        stop_accuracy: gamma of `selection_score`.
    """
    retain = np.ones(len(truth.labels), dtype=bool)
    retain[found] = False
    clean = np.ones(len(truth.labels), dtype=bool)
    clean[truth.corrupted] = False
    discovered = np.intersect1d(truth.corrupted, found)
    undiscovered = np.setdiff1d(truth.corrupted, found)
    healed_on = predictions.test if predictions.triggered_test is None else predictions.triggered_test
    train, true, wrong = predictions.train, truth.true_labels, truth.labels
    # In paper mode some samples of D_m keep their true label. They cannot mislead.
    mislabelled = np.flatnonzero(wrong != true)
    known = accuracy_if_any(train, wrong, found)  # all that a method can tell: which finds are false it is not told
    kept = accuracy(train, wrong, retain)
    return Metrics(
        healed_train=accuracy(train, true, truth.corrupted),
        healed_discovered=accuracy_if_any(train, true, discovered),
        healed_undiscovered=accuracy_if_any(train, true, undiscovered),
        misled_discovered=accuracy_if_any(train, wrong, np.intersect1d(mislabelled, discovered)),
        misled_undiscovered=accuracy_if_any(train, wrong, np.intersect1d(mislabelled, undiscovered)),
        attack_success=accuracy_if_any(healed_on, test.wrong, test.wrong >= 0),
        healed_test=accuracy(healed_on, test.labels, test.healed),
        utility=accuracy(predictions.test, test.labels, test.utility),
        utility_train=accuracy(train, true, clean),
        selection_score=None if known is None else selection_score(kept, known, stop_accuracy),
    )


def selection_score(retain: float, forget: float, stop_accuracy: float) -> float:
    """Acc(D_r) (1 - max(Acc(D_f), gamma)), the blind rule of tuning, from accuracies on the labels of D_tr."""
    return retain * (1 - max(forget, stop_accuracy))


def memorised(predictions: Predictions, truth: CorruptedSet) -> float:
    """Fraction of the corrupted samples that are given their label of D_tr."""
    return accuracy(predictions.train, truth.labels, truth.corrupted)


def absorbed(memorised_share: float, original: Metrics, rules: Corruption) -> bool:
    """Whether the original learnt its corruption. If it did not, its trials measure nothing.

    At least 80% of the corrupted samples must be memorised. With a pattern, healed test accuracy must also be at most
    50%.
    """
    return memorised_share >= MEMORISED and (not rules.triggered or original.healed_test <= 0.5)
