"""Corruption that came with the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState

from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import CleanSet, Corruption, Indices, Labels


@dataclass(frozen=True)
class Given(Corruption):
    """The wrong labels of the suite's `label_table` (`problems.label_table`). Nothing is drawn.

    Test images have no wrong label, and all of them measure healing and utility.
    """

    title, regularity, planted = "labels as given", "medium", False

    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        if clean.given is None:
            raise UsageError("corruption 'given' needs label_table, the labels as given")
        wrong = np.flatnonzero(clean.given != clean.labels)
        return wrong, clean.given[wrong]
