"""What the events of a guardian mean: whose fault a trial without an end is."""

from __future__ import annotations

import pytest
import torch

from unlearnbench.boundary.outcome import judge
from unlearnbench.errors import HarnessError

WEIGHTS = {"a": torch.zeros(1)}


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ({"stopped": {}}, "it took too long"),
        ({"broken": {"message": "OSError: no"}}, "OSError: no"),
        ({"broken": {"message": "OSError: no"}, "stopped": {}}, "OSError: no"),
        ({}, "no message"),
    ],
)
def test_before_any_code_of_a_submission_runs_the_harness_is_at_fault(
    events: dict[str, dict[str, str]], words: str
) -> None:
    with pytest.raises(HarnessError, match=f"cannot set up the process of a trial: {words}"):
        judge(events, None, WEIGHTS)


@pytest.mark.parametrize(
    ("events", "reason", "detail"),
    [
        ({"stopped": {}}, "timeout: the process that watches it was stopped", None),
        (
            {"broken": {"message": "ValueError: what"}},
            "crashed: the process that watches it failed",
            "ValueError: what",
        ),
        ({}, "crashed: the process that watches it was killed", None),
    ],
)
def test_afterwards_the_trial_has_failed_and_what_is_known_is_kept(
    events: dict[str, dict[str, str]], reason: str, detail: str | None
) -> None:
    found = judge({"loaded": {}, **events}, None, WEIGHTS)
    assert (found.weights, found.reason, found.detail) == (None, reason, detail)
