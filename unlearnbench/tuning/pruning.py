"""Stages of a try, and when it is given up: by Optuna's Wilcoxon pruner, problem against problem of the best try."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

import optuna
from optuna.exceptions import ExperimentalWarning

from unlearnbench.problems.suite import Suite

P_THRESHOLD = 0.05
"""A try is given up when a test this sure says that it is worse than the best one."""

Cell = tuple[str, float, int, float, str]
"""A problem and an original on it: corruption, discovery rate, seed, capacity, training."""


def stages(grid: Suite) -> list[Suite]:
    """The grid in parts of one seed and one discovery rate, in the order in which a try is run on them.

    All parts cost about the same, so the most telling ones come first. The middle rate stands best for the mean over
    rates. Seeds change before rates do: the test takes problems for independent, those of one seed at two rates share
    their corruption and their original, and after the first two stages it decides for the first time.
    """
    rates = sorted(grid.discovery_rates)
    middle = (len(rates) - 1) / 2
    outwards = sorted(range(len(rates)), key=lambda place: (abs(place - middle), -place))
    return [replace(grid, seeds=(seed,), discovery_rates=(rates[place],)) for place in outwards for seed in grid.seeds]


def hopeless(best: Mapping[Cell, float], current: Mapping[Cell, float]) -> bool:
    """Whether the pruner gives up a try with these scores so far, beside the best try that had all problems."""
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
    """Why it was given up, in words."""
    below = sum(score < best[cell] for cell, score in current.items())
    return f"below the best try on {below} of {len(current)} problems"
