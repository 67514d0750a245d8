"""Which methods trained on more samples than the budget of the suite."""

from __future__ import annotations

import pandas as pd

from unlearnbench.problems.suite import Suite


def samples(suite: Suite) -> int:
    """The samples in backward passes that the budget of a trial allows."""
    return suite.budget.steps * suite.budget.batch_size


def over_budget(frame: pd.DataFrame, suite: Suite) -> dict[str, float]:
    """Multiple of the budget by method, largest first, of the methods above it.

    It is the median over finished trials of the samples in backward passes, as counted in the trial's own process.
    """
    trials = frame[(frame["state"] == "finished") & ~frame["again"]]
    medians = trials.groupby("method")["backward_samples"].median().astype("float64") / samples(suite)
    over = medians[medians > 1].sort_values(ascending=False, kind="stable")
    return {str(method): float(times) for method, times in over.items()}


def budget_words(suite: Suite) -> str:
    """The budget in words, and what retraining takes, which is outside of it."""
    budget, recipe = suite.budget, suite.recipe
    return (
        f"{samples(suite):,} samples ({budget.steps:,} steps x {budget.batch_size:,}); training a new model by the"
        f" recipe, as retrain and oracle may, takes {recipe.steps * recipe.batch_size:,}"
    )
