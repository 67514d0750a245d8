"""The next suspects: samples that nobody had found and whose predicted class a repair changed.

All methods that finished are asked, not only the one that is taken: the blind rule prefers models that kept wrong
labels, which change too little to be a good list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlearnbench.repairing.given import Given
from unlearnbench.repairing.trials import Probabilities


@dataclass(frozen=True)
class Suspect:
    """A sample of D_r to which at least one method gives another class than the original did.

    Attributes:
        position: in the folder.
        file: its path relative to the folder.
        given: the class of its folder.
        before: the class that the original gives.
        after: the most probable other class, by the mean over the methods.
        methods: number of methods that give another class than the original.
        probability_before, probability_after: of the given class, the latter the mean over the methods.
        held_out: whether methods did not get it.
    """

    position: int
    file: str
    given: str
    before: str
    after: str
    methods: int
    probability_before: float
    probability_after: float
    held_out: bool

    @property
    def change(self) -> float:
        """How much less the given class is believed in: 1 is certainty lost, below 0 it is believed in more."""
        return self.probability_before - self.probability_after


def suspects(before: Probabilities, after: Sequence[Probabilities], given: Given) -> list[Suspect]:
    """The suspects, those that lost most of the probability of their given class first.

    Args:
        before: of the original, float64 [N, classes].
        after: of each method that finished.
    """
    if not after:
        return []
    first, mean = before.argmax(axis=1), np.mean(after, axis=0)
    changed = np.sum([one.argmax(axis=1) != first for one in after], axis=0)
    others = mean.copy()
    others[np.arange(len(first)), first] = -1.0
    second = others.argmax(axis=1)
    names, held_out = given.folder.names, set(given.held_out.tolist())
    found = [
        Suspect(
            position=position,
            file=names[position],
            given=given.classes[given.labels[position]],
            before=given.classes[first[position]],
            after=given.classes[second[position]],
            methods=int(changed[position]),
            probability_before=float(before[position, given.labels[position]]),
            probability_after=float(mean[position, given.labels[position]]),
            held_out=position in held_out,
        )
        for position in given.retain[changed[given.retain] > 0].tolist()
    ]
    return sorted(found, key=lambda suspect: (-suspect.change, suspect.position))
