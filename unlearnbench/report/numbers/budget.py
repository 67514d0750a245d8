"""How many samples methods trained on, beside the budget of the suite."""

from __future__ import annotations

import pandas as pd

from unlearnbench.problems.suite import Suite

MARKED = 1.1
"""Multiple of the budget above which a method is marked."""


def samples(suite: Suite) -> int:
    """The samples in backward passes that the budget of a trial allows."""
    return suite.budget.steps * suite.budget.batch_size


def budget_shares(frame: pd.DataFrame, suite: Suite) -> pd.Series[float]:
    """The samples in backward passes as a multiple of the budget, by method; nan where none were counted.

    It is the median over finished trials, as counted in the trial's own process.
    """
    trials = frame[(frame["state"] == "finished") & ~frame["again"]]
    medians: pd.Series[float] = trials.groupby("method")["backward_samples"].median().astype("float64")
    return medians / samples(suite)


def over_budget(shares: pd.Series[float]) -> dict[str, float]:
    """The methods of these `budget_shares` above `MARKED`, largest first."""
    over = shares[shares > MARKED].sort_values(ascending=False, kind="stable")
    return {str(method): float(times) for method, times in over.items()}


def budget_text(share: float) -> str:
    """A multiple of the budget for a cell: `0.98`, `1.87 (over)`, or a dash."""
    if pd.isna(share):
        return "-"
    return f"{share:.2f} (over)" if share > MARKED else f"{share:.2f}"


def budget_line(share: float) -> str:
    """A multiple of the budget as a sentence."""
    return f"Samples in backward passes, by the trials' own count, as a multiple of the budget: {budget_text(share)}."


def budget_words(suite: Suite) -> str:
    """The budget in words, and what retraining takes, which is outside of it."""
    budget, recipe = suite.budget, suite.recipe
    return (
        f"{samples(suite):,} samples ({budget.steps:,} steps x {budget.batch_size:,}); training a new model by the"
        f" recipe, as retrain and oracle may, takes {recipe.steps * recipe.batch_size:,}"
    )
