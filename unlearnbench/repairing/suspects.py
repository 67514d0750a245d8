"""The next suspects: predictions that the repair changed on samples that nobody had found."""

from __future__ import annotations

from dataclasses import dataclass

from unlearnbench.repairing.given import Given
from unlearnbench.repairing.trials import Probabilities


@dataclass(frozen=True)
class Suspect:
    """A sample that nobody had found and whose predicted class the repair changed.

    Attributes:
        position: in the folder.
        file: its path relative to the folder.
        given, before, after: the class of its folder, and those that the model gave before and after.
        probability_before, probability_after: of the given class.
        held_out: whether methods did not get it.
    """

    position: int
    file: str
    given: str
    before: str
    after: str
    probability_before: float
    probability_after: float
    held_out: bool

    @property
    def change(self) -> float:
        """How much less the model believes in the given class: 1 is certainty lost, below 0 it believes in it more."""
        return self.probability_before - self.probability_after


def suspects(before: Probabilities, after: Probabilities, given: Given) -> list[Suspect]:
    """The suspects, those that lost most of the probability of their given class first."""
    first, second = before.argmax(axis=1), after.argmax(axis=1)
    names, held_out = given.folder.names, set(given.held_out.tolist())
    found = [
        Suspect(
            position=position,
            file=names[position],
            given=given.classes[given.labels[position]],
            before=given.classes[first[position]],
            after=given.classes[second[position]],
            probability_before=float(before[position, given.labels[position]]),
            probability_after=float(after[position, given.labels[position]]),
            held_out=position in held_out,
        )
        for position in given.retain[(first != second)[given.retain]].tolist()
    ]
    return sorted(found, key=lambda suspect: (-suspect.change, suspect.position))
