"""Stages of a try, and pruning after each stage with Optuna's Wilcoxon pruner."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

import optuna
from optuna.exceptions import ExperimentalWarning

from unlearnbench.problems.suite import Suite
from unlearnbench.tuning.tries import Cell

P_THRESHOLD = 0.05
"""Prune a try if a Wilcoxon signed-rank test finds it worse than the best one at this significance level."""


def stages(grid: Suite) -> list[Suite]:
    """Split the grid into stages of one seed and one discovery rate, in the order to run them.

    All stages cost about the same, so the most informative ones come first. The middle rate is closest to the mean over
    all rates. Seeds vary before rates, because the test assumes independent problems, and problems of one seed share
    their corruption and original. The test can first prune a try after two stages.
    """
    rates = sorted(grid.discovery_rates)
    middle = (len(rates) - 1) / 2
    outwards = sorted(range(len(rates)), key=lambda place: (abs(place - middle), -place))
    return [replace(grid, seeds=(seed,), discovery_rates=(rates[place],)) for place in outwards for seed in grid.seeds]


def hopeless(best: Mapping[Cell, float], current: Mapping[Cell, float]) -> bool:
    """Whether to prune a try.

    Args:
        best: scores of the best try that ran on all problems.
        current: scores of the try so far.
    """
    steps = {cell: step for step, cell in enumerate(best)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        pruner = optuna.pruners.WilcoxonPruner(p_threshold=P_THRESHOLD)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    values = {steps[cell]: score for cell, score in best.items()}
    study.add_trial(optuna.trial.create_trial(value=fmean(best.values()), intermediate_values=values))
    trial = study.ask()
    for cell, score in current.items():
        trial.report(score, steps[cell])
    return trial.should_prune()


def reason(best: Mapping[Cell, float], current: Mapping[Cell, float]) -> str:
    """Why the try was pruned, for display."""
    below = sum(score < best[cell] for cell, score in current.items())
    return f"below the best try on {below} of {len(current)} problems"
