"""A score that has one best setting."""

from __future__ import annotations

import math

from unlearnbench.problems.suite import Tuning
from unlearnbench.running.plan import PlannedTrial
from unlearnbench.submissions.manifest import Range

WIDE = {"other": Range(low=0.001, high=1.0, log=True), "level": Range(low=0, high=8)}
SIX = Tuning(seeds=(100, 101), discovery_rates=(0.1, 0.5, 1.0))


def goal(trial: PlannedTrial) -> float:
    """Highest at other = 0.5 and level 8, and easier at a higher rate; the default is in the middle."""
    other = float(trial.submission.hyperparameters.get("other", 0.02))
    level = int(trial.submission.hyperparameters.get("level", 4))
    near = 1 - 0.1 * abs(math.log(other / 0.5)) - 0.02 * (8 - level)
    return max(0.0, near * (0.5 + 0.3 * trial.problem.discovery_rate))
