"""How many samples methods trained on, beside the budget of the suite."""

from __future__ import annotations

import pandas as pd

from unlearnbench.problems.suite import Suite

MARKED = 1.1
"""Multiple of the budget above which a method is marked."""


def samples(suite: Suite) -> int:
    """The samples in backward passes that the budget of a trial allows."""
    return suite.budget.steps * suite.budget.batch_size


def budget_shares(totals: pd.DataFrame, suite: Suite) -> pd.Series[float]:
    """The samples in backward passes as a multiple of the budget, by method; nan where none were counted.

    It is the mean over finished trials, also of seeds that are not whole, as counted in the trial's own process.
    """
    sums = totals.groupby("method")[["backward_samples", "backward_samples_count"]].sum().astype("float64")
    counts = sums["backward_samples_count"]
    shares: pd.Series[float] = sums["backward_samples"] / counts.where(counts > 0) / samples(suite)
    return shares


def over_budget(ranking: pd.DataFrame) -> dict[str, float]:
    """The methods of a ranking above `MARKED` in its column `budget`, largest first."""
    over = ranking[ranking["budget"] > MARKED].sort_values("budget", ascending=False, kind="stable")
    return {str(method): float(times) for method, times in zip(over["method"], over["budget"], strict=True)}


def budget_text(share: float, mark: str = " (over)") -> str:
    """A multiple of the budget: `0.98`, `1.87` with a mark, or a dash where nothing was counted."""
    if pd.isna(share):
        return "-"
    return f"{share:.2f}{mark}" if share > MARKED else f"{share:.2f}"


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
