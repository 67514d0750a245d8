"""Fine-tuning on what `detection` leaves."""

from __future__ import annotations

from tests.submissions.proof import Trace
from tests.submissions.references import detection, finetune
from tests.submissions.references.detect_retrain import without
from unlearnbench import Problem


def reference(problem: Problem, learning_rate: float, components: int, price: float, largest: float) -> Trace:
    kept = detection.trusted(problem, components, price, largest)
    return finetune.reference(without(problem, kept), learning_rate)
