"""The metrics of one trial (docs/protocol.md, section 3): pure functions of predicted and true classes.

All are shares in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearnbench.evaluation.predictions import Predictions
from unlearnbench.problem.corruption import CorruptedSet, Corruption, Indices, Labels, Mask

MEMORISED = 0.8
"""Share of the corrupted samples that an original must give its wrong label, or a repair means nothing."""


@dataclass(frozen=True)
class Metrics:
    healed_train: float
    healed_discovered: float
    healed_undiscovered: float | None
    """None where everything was discovered."""
    healed_test: float
    utility: float
    utility_train: float
    selection_score: float
    """Acc(D_r) (1 - max(Acc(D_f), gamma)) with the labels of D_tr: the published rule of choice without clean data."""

    @property
    def aggregate(self) -> float:
        """The paper's "Utility x Healed"."""
        return self.healed_train * self.utility


def accuracy(predicted: Labels, true: Labels, where: Mask | Indices) -> float:
    """Share of the chosen samples that are predicted right; there must be at least one."""
    chosen = predicted[where] == true[where]
    if len(chosen) == 0:
        raise ValueError("an accuracy needs at least one sample")
    return float(chosen.mean())


def metrics(
    predictions: Predictions,
    truth: CorruptedSet,
    forget: Indices,
    rules: Corruption,
    test_labels: Labels,
    stop_accuracy: float,
) -> Metrics:
    """All metrics of a trial whose discovered samples are `forget` (positions in D_tr)."""
    retain = np.ones(len(truth.labels), dtype=bool)
    retain[forget] = False
    clean = np.ones(len(truth.labels), dtype=bool)
    clean[truth.corrupted] = False
    undiscovered = np.setdiff1d(truth.corrupted, forget)
    healed_on = predictions.test if predictions.triggered_test is None else predictions.triggered_test
    train, true = predictions.train, truth.true_labels
    return Metrics(
        healed_train=accuracy(train, true, truth.corrupted),
        healed_discovered=accuracy(train, true, forget),
        healed_undiscovered=accuracy(train, true, undiscovered) if len(undiscovered) else None,
        healed_test=accuracy(healed_on, test_labels, rules.healed_test(test_labels)),
        utility=accuracy(predictions.test, test_labels, rules.utility_test(test_labels)),
        utility_train=accuracy(train, true, clean),
        selection_score=accuracy(train, truth.labels, retain)
        * (1 - max(accuracy(train, truth.labels, forget), stop_accuracy)),
    )


def memorised(predictions: Predictions, truth: CorruptedSet) -> float:
    """Share of the corrupted samples that are given the wrong label they carry in D_tr."""
    return accuracy(predictions.train, truth.labels, truth.corrupted)


def absorbed(memorised_share: float, original: Metrics, rules: Corruption) -> bool:
    """Whether the original learnt the corruption: at least 80% memorised, and a trigger misleads over half the test.

    A grid on an original that did not measures nothing.
    """
    return memorised_share >= MEMORISED and (not rules.triggered or original.healed_test <= 0.5)
