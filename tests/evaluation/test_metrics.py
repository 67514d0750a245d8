"""The metrics of a trial on predictions that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from unlearnbench.evaluation.metrics import absorbed, accuracy, memorised, metrics
from unlearnbench.evaluation.predictions import Predictions, pack, unpack
from unlearnbench.problems.corruption import CleanSet, CleanTest, CorruptedSet, Corruption, clean_test
from unlearnbench.problems.corruptions.labels import ClassSwap, RandomSwap
from unlearnbench.problems.corruptions.triggers import PoisonTrigger

TRUE = np.array([0, 1, 2, 3, 4, 5, 1, 2])
GIVEN = np.array([0, 1, 2, 3, 0, 0, 0, 0])  # the last four are corrupted
TRUTH = CorruptedSet(np.zeros((8, 1, 1, 1), np.uint8), GIVEN, TRUE, np.array([4, 5, 6, 7]))
LABELS = np.array([3, 5, 0, 1, 2])
# Right on 3 of 4 clean samples; of the corrupted, right on the first and the last.
TRAIN_PREDICTIONS = np.array([0, 1, 2, 9, 4, 0, 0, 2])
TEST_PREDICTIONS = np.array([3, 3, 0, 1, 2])
TRIGGERED = np.array([0, 0, 0, 1, 0])
FORGET = np.array([4, 5])


def on_test(corruption: Corruption) -> CleanTest:
    return clean_test(corruption, np.zeros((5, 1, 1, 1), np.uint8), LABELS, CleanSet(TRUTH.images, TRUE, classes=10))


def test_poison() -> None:
    predictions = Predictions(TRAIN_PREDICTIONS, TEST_PREDICTIONS, TRIGGERED)
    result = metrics(predictions, TRUTH, FORGET, on_test(PoisonTrigger()), 0.2)
    assert result.healed_train == 2 / 4
    assert result.healed_discovered == 1 / 2
    assert result.healed_undiscovered == 1 / 2
    assert result.misled_discovered == 1 / 2  # of labels 0 that are wrong, the model gives one
    assert result.misled_undiscovered == 1 / 2
    assert result.attack_success == 3 / 4  # of triggered test images of classes other than 0 that get 0
    assert result.healed_test == 1 / 4  # triggered test images of classes other than 0
    assert result.utility == 4 / 5
    assert result.utility_train == 3 / 4
    assert result.aggregate == pytest.approx(0.4)
    # Labels of D_tr: right on 3 of 4 clean samples and 1 of 2 that nobody found; of D_f 1 of 2 is remembered.
    assert result.selection_score == pytest.approx(4 / 6 * (1 - 1 / 2))
    forgetful = metrics(predictions, TRUTH, FORGET, on_test(PoisonTrigger()), 0.75)
    assert forgetful.selection_score == pytest.approx(4 / 6 * (1 - 0.75))


def test_class_swap_heals_on_the_pair_and_is_useful_on_the_rest() -> None:
    predictions = Predictions(TRAIN_PREDICTIONS, TEST_PREDICTIONS, None)
    result = metrics(predictions, TRUTH, FORGET, on_test(ClassSwap(class_pair=(3, 5))), 0.2)
    assert result.healed_test == 1 / 2
    assert result.utility == 3 / 3
    assert result.attack_success == 1 / 2  # the 5 that is called 3


def test_without_a_forget_set_nothing_is_measured_on_one() -> None:
    predictions = Predictions(TRAIN_PREDICTIONS, TEST_PREDICTIONS, TRIGGERED)
    result = metrics(predictions, TRUTH, FORGET[:0], on_test(PoisonTrigger()), 0.2)
    assert result.healed_undiscovered == result.healed_train == 2 / 4
    assert (result.healed_discovered, result.misled_discovered, result.selection_score) == (None, None, None)


def test_a_label_that_was_right_all_along_misleads_nobody() -> None:
    given = np.array([0, 1, 2, 3, 0, 5, 0, 0])  # the published choice leaves the sixth its label
    truth = CorruptedSet(TRUTH.images, given, TRUE, TRUTH.corrupted)
    predictions = Predictions(given, TEST_PREDICTIONS, None)
    result = metrics(predictions, truth, FORGET, on_test(RandomSwap()), 0.2)
    assert (result.misled_discovered, result.misled_undiscovered) == (1.0, 1.0)
    assert result.healed_discovered == 1 / 2
    assert result.attack_success is None  # a random label is no label that a test image could get


def test_random_swap_measures_both_on_the_clean_test_set() -> None:
    predictions = Predictions(TRAIN_PREDICTIONS, TEST_PREDICTIONS, None)
    result = metrics(predictions, TRUTH, TRUTH.corrupted, on_test(RandomSwap()), 0.2)
    assert result.healed_test == result.utility == 4 / 5
    assert result.healed_undiscovered is None


def test_absorbed_needs_memory_and_a_trigger_that_works() -> None:
    predictions = Predictions(GIVEN, TEST_PREDICTIONS, TRIGGERED)
    poisoned = metrics(predictions, TRUTH, FORGET, on_test(PoisonTrigger()), 0.2)
    assert memorised(predictions, TRUTH) == 1
    assert absorbed(1.0, poisoned, PoisonTrigger())
    assert not absorbed(0.5, poisoned, PoisonTrigger())
    immune = metrics(Predictions(GIVEN, TEST_PREDICTIONS, LABELS), TRUTH, FORGET, on_test(PoisonTrigger()), 0.2)
    assert not absorbed(1.0, immune, PoisonTrigger())
    assert absorbed(1.0, immune, RandomSwap())


def test_each_metric_counts_a_false_find_where_it_belongs() -> None:
    """The fourth sample is clean, and the model gets it wrong: counted as corrupted, it would change every share."""
    predictions = Predictions(TRAIN_PREDICTIONS, TEST_PREDICTIONS, TRIGGERED)
    without, false = (
        metrics(predictions, TRUTH, found, on_test(PoisonTrigger()), 0.2) for found in (FORGET, np.array([3, *FORGET]))
    )
    # By the true set: what a metric says of the corruption, found or not, does not depend on what else was found.
    for name in ("healed_train", "healed_discovered", "healed_undiscovered", "misled_discovered"):
        assert getattr(false, name) == getattr(without, name) == 1 / 2
    assert false.misled_undiscovered == without.misled_undiscovered == 1 / 2
    assert false.utility_train == without.utility_train == 3 / 4  # the false find is clean, and counts as such
    for name in ("attack_success", "healed_test", "utility", "aggregate"):
        assert getattr(false, name) == getattr(without, name)
    # By the found set, as no method can tell: of the found labels it gives 1 of 3, of the others 4 of 5.
    assert false.selection_score == pytest.approx(4 / 5 * (1 - 1 / 3))


def test_an_accuracy_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        accuracy(TRUE, TRUE, np.array([], dtype=np.int64))


def test_packed_predictions_come_back() -> None:
    classes = np.random.RandomState(0).randint(0, 1000, 5000)
    assert np.array_equal(unpack(pack(classes)), classes)
