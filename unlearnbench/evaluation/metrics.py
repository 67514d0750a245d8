"""The metrics of one trial (docs/protocol.md, section 3): pure functions of predicted and true classes.

All are shares in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearnbench.evaluation.predictions import Predictions
from unlearnbench.problems.corruption import CorruptedSet, Corruption, Indices, Labels, Mask

MEMORISED = 0.8
"""Share of the corrupted samples that an original must give its wrong label, or a repair means nothing."""


@dataclass(frozen=True)
class Metrics:
    """A metric is None where there is nothing to measure it on."""

    healed_train: float
    healed_discovered: float | None
    """None where nothing was discovered, or the method uses no forget set."""
    healed_undiscovered: float | None
    """None where everything was discovered."""
    misled_discovered: float | None
    """Share of D_f that is given the wrong label it carries in D_tr."""
    misled_undiscovered: float | None
    """The same of D_m without D_f."""
    attack_success: float | None
    """Share of test images, with the trigger if there is one, that are given the wrong label the corruption would give
    them; None where it gives none, as a random swap of labels."""
    healed_test: float
    utility: float
    utility_train: float
    selection_score: float | None
    """Acc(D_r) (1 - max(Acc(D_f), gamma)) with the labels of D_tr: the published rule of choice without clean data."""

    @property
    def aggregate(self) -> float:
        """The paper's "Utility x Healed"."""
        return self.healed_train * self.utility


def accuracy(predicted: Labels, true: Labels, where: Mask | Indices) -> float:
    """Share of the chosen samples that are predicted right; there must be at least one."""
    share = accuracy_if_any(predicted, true, where)
    if share is None:
        raise ValueError("an accuracy needs at least one sample")
    return share


def accuracy_if_any(predicted: Labels, true: Labels, where: Mask | Indices) -> float | None:
    """The same, or None where no sample is chosen."""
    chosen = predicted[where] == true[where]
    return float(chosen.mean()) if len(chosen) else None


def metrics(
    predictions: Predictions,
    truth: CorruptedSet,
    forget: Indices,
    rules: Corruption,
    test_labels: Labels,
    stop_accuracy: float,
) -> Metrics:
    """All metrics of a trial whose discovered samples are `forget` (positions in D_tr; none for a method without)."""
    retain = np.ones(len(truth.labels), dtype=bool)
    retain[forget] = False
    clean = np.ones(len(truth.labels), dtype=bool)
    clean[truth.corrupted] = False
    undiscovered = np.setdiff1d(truth.corrupted, forget)
    healed_on = predictions.test if predictions.triggered_test is None else predictions.triggered_test
    train, true, wrong = predictions.train, truth.true_labels, truth.labels
    test_wrong = rules.corrupted_test(test_labels)
    # With the published choices some samples of D_m carry their true label: nothing misleads there.
    mislabelled = np.flatnonzero(wrong != true)
    known = accuracy_if_any(train, wrong, forget)
    return Metrics(
        healed_train=accuracy(train, true, truth.corrupted),
        healed_discovered=accuracy_if_any(train, true, forget),
        healed_undiscovered=accuracy_if_any(train, true, undiscovered),
        misled_discovered=accuracy_if_any(train, wrong, np.intersect1d(mislabelled, forget)),
        misled_undiscovered=accuracy_if_any(train, wrong, np.intersect1d(mislabelled, undiscovered)),
        attack_success=accuracy_if_any(healed_on, test_wrong, test_wrong >= 0),
        healed_test=accuracy(healed_on, test_labels, rules.healed_test(test_labels)),
        utility=accuracy(predictions.test, test_labels, rules.utility_test(test_labels)),
        utility_train=accuracy(train, true, clean),
        selection_score=None if known is None else accuracy(train, wrong, retain) * (1 - max(known, stop_accuracy)),
    )


def memorised(predictions: Predictions, truth: CorruptedSet) -> float:
    """Share of the corrupted samples that are given the wrong label they carry in D_tr."""
    return accuracy(predictions.train, truth.labels, truth.corrupted)


def absorbed(memorised_share: float, original: Metrics, rules: Corruption) -> bool:
    """Whether the original learnt the corruption: at least 80% memorised, and a trigger misleads over half the test.

    A grid on an original that did not measures nothing.
    """
    return memorised_share >= MEMORISED and (not rules.triggered or original.healed_test <= 0.5)
