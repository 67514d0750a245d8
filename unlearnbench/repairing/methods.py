"""Which methods run: those that are named, or those that the board recommends for what the found samples look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unlearnbench.errors import UsageError
from unlearnbench.repairing import recommended
from unlearnbench.repairing.given import Given
from unlearnbench.repairing.original import Model
from unlearnbench.submissions.choosing import choose as choose_by_name
from unlearnbench.submissions.finding import Discovered, Submission, packages

AUTO = "auto"
MOST = 4
"""Number of methods that `auto` runs for one regularity."""
MOST_OF_EACH = 2
"""The same for each regularity if the found samples do not tell which it is."""


@dataclass(frozen=True)
class Choice:
    """What runs.

    Attributes:
        why: how it was chosen, in a sentence.
        left_out: why a method that would have been among them is not, by name.
    """

    submissions: tuple[Submission, ...]
    why: str
    left_out: dict[str, str]


def unfit(submission: Submission, given: Given, model: Model) -> str | None:
    """Why a method cannot run on this model and these samples, or None if it can."""
    if submission.needs_corrupted_indices:
        return "it must know all corrupted samples, which nobody has"
    if submission.needs_forget_set and not len(given.found):
        return "it needs found samples: name some with --found"
    if submission.needs_expansion and not model.expandable:
        return "it adds channels to the model, and torchvision's models cannot be expanded; those of unlearnbench can"
    if submission.needs_tied_dropout and model.weights is not None:
        return (
            "it starts from a model that was trained with example-tied dropout: leave --weights out to have one trained"
        )
    if submission.needs_tied_dropout and not model.expandable:
        return "it needs a model that can be expanded"
    return None


def choose(names: Sequence[str], found: Discovered, given: Given, model: Model) -> Choice:
    """Choose methods by name, as NAME or NAME/VARIANT, or by the board if the only name is `auto`.

    Raises:
        UsageError: a name is unknown, a named method cannot run here, or none can.
    """
    if list(names) != [AUTO]:
        if AUTO in names:
            raise UsageError(f"--method {AUTO} stands alone: leave it out, or the other names")
        chosen = choose_by_name(found, names, broken=found.broken)
        for item in chosen:
            if why := unfit(item, given, model):
                raise UsageError(f"method '{item.name}' cannot run here: {why}")
        packages(chosen)  # refuses one that requires what is not installed
        return Choice(tuple(chosen), "You named the methods.", {})
    order = recommended.read()
    if len(given.found):
        level, reason = recommended.looks_like(given.labels[given.found], len(given.classes))
        levels, most = ([level], MOST) if level else (list(order), MOST_OF_EACH)
        what = f"the best of the board for {level} regularity" if level else "the best of the board for each regularity"
        why = f"Chosen by the board: {reason}, so these are {what}."
    else:
        levels, most = list(order), MOST_OF_EACH
        why = "Chosen by the board: without found samples, these are its best that need none."
    there = {f"{item.name}/{item.variant}".removesuffix("/default"): item for item in found}

    def refused(name: str) -> str | None:
        item, submission = there.get(name), name.split("/")[0]
        if item is None:
            return found.broken.get(submission, f"there is no method '{name}' here")
        return unfit(item, given, model) or _unasked(item, model)

    picked, left_out = dict[str, Submission](), dict[str, str]()
    for level in levels:
        taken = 0
        for name in order[level]:
            if taken == most:
                break
            if why_not := refused(name):
                left_out[name] = why_not
                continue
            picked[name] = there[name]
            taken += 1
    if not picked:
        raise UsageError("no method of the board can run here: name one with --method")
    packages(picked.values())
    if not len(given.found):  # `why` says already that these need found samples
        left_out = {name: why for name, why in left_out.items() if name in there and there[name].needs_tied_dropout}
    return Choice(tuple(picked.values()), why, left_out)


def _unasked(submission: Submission, model: Model) -> str | None:
    """Why `auto` does not run a method that can run."""
    if submission.needs_retraining and model.weights is not None:
        return (
            "it trains a new model, and how your weights were trained is not known; named with --method, it uses a"
            " standard recipe"
        )
    return None
