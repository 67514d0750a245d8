"""The speed benchmark measures what it says."""

from __future__ import annotations

import pytest

from benchmarks.speed import training
from benchmarks.speed.training import CASES, Case, flops
from benchmarks.speed.trial import parts

TINY = Case("tiny", 0.05, 1.0, 16, 1, 8, 1, 2)


def test_operations_are_those_of_the_published_model() -> None:
    assert flops(CASES[0]) == pytest.approx(2 * 0.29e9, rel=0.02)


def test_training_and_evaluation_have_rates() -> None:
    rates = [training.plain_training(TINY, 1), training.plain_evaluation(TINY, 1)]
    rates += [rate(TINY, "float32", 1) for rate in (training.harness_training, training.harness_evaluation)]
    assert all(0 < rate < 1e6 for rate in rates)


@pytest.mark.slow
def test_a_trial_falls_into_its_parts() -> None:
    measured = parts()
    assert len(measured) == 7
    assert all(0 < least <= median for least, median in measured.values())
    assert max(measured, key=lambda name: measured[name]) == "`unlearn`"
