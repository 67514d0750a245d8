"""Corrupted images as the original model is trained on them, with their true and their given labels."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.grid import problems
from unlearnbench.problems.suite import Suite, seed_of
from unlearnbench.report.figures.style import styled, text_width

COUNT = 8
"""Images of each corruption."""
_SIDE, _LABEL = 0.7, 0.3
"""Inches: of an image, and of the line below it."""


@styled
def samples(suite: Suite, dataset: Dataset) -> Figure:
    """A row of corrupted training images for each corruption of a suite, with its first seed.

    Raises:
        UsageError: a setting of the suite does not fit the data set.
    """
    seed = seed_of(suite.seeds[0]).corruption
    first = suite.select(seeds=[seed])
    cases = {problem.case.corruption: problem.case for problem, _ in problems(first, dataset)}
    left = max(text_width(name) for name in cases) + 0.2
    below = max(text_width(f"{one} as {other}") for one in dataset.classes for other in dataset.classes)
    side = max(_SIDE, min(below + 0.1, 2.5))
    size = (left + COUNT * side, len(cases) * (side + _LABEL) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(cases), COUNT, squeeze=False)
    for row, (name, case) in zip(grid, cases.items(), strict=True):
        truth = case.corrupted_set(dataset)
        chosen = truth.corrupted[np.linspace(0, len(truth.corrupted) - 1, min(COUNT, len(truth.corrupted))).astype(int)]
        for axis in row:
            axis.set_axis_off()
        for axis, place in zip(row, chosen, strict=False):
            pixels = np.moveaxis(truth.images[place], 0, -1)  # [S, S, C]
            axis.imshow(pixels.squeeze(), cmap="gray" if pixels.shape[-1] == 1 else None, vmin=0, vmax=255)
            true, given = (dataset.classes[int(labels[place])] for labels in (truth.true_labels, truth.labels))
            axis.set_title(f"{true} as {given}", y=-0.32)
        row[0].text(-0.1, 0.5, name, transform=row[0].transAxes, ha="right", va="center")
    title = f"Corrupted training images of suite {suite.name}, seed {seed}: true class as given class"
    figure.suptitle(title, x=0.01, ha="left")
    return figure
